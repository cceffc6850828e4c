"""What a discriminator compares: `real` and `fake` that differ in nothing but what generators make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from translate.errors import Problem
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.measuring import behind
from translate.specs import Label

_JUDGED = frozenset({"real", "fake"})  # compared as two sets of examples, not one by one
_SAME_PLACE = frozenset({"network", "attribute", "sequence"})


def wrong_sides(game: Game, phase: int) -> Iterator[Problem]:
    """Losses with `real` and `fake` that are the same, the wrong way round, or differ in how they are treated."""
    pipeline, nodes = game.pipeline, game.graphs[phase].nodes
    generators = frozenset(name for name in pipeline.networks if pipeline.side(name) == "generators")
    for name, indices in game.term_nodes[phase].items():
        if not {"real", "fake"} <= indices.keys() or pipeline.phases[phase].losses[name].weight == 0.0:
            continue
        real, fake = nodes[indices["real"]], nodes[indices["fake"]]
        if _is_same(nodes, real, fake):
            text = "`real` and `fake` are the same, so that there is nothing to tell. Give `fake` what a generator made"
            yield pipeline.problem(("losses", name), text, phase=phase)
        elif real.networks & generators and not fake.networks & generators:
            text = (
                f"a generator takes part in `real` ({real.text}) and none in `fake` ({fake.text}), so that none learns "
                "from this loss. Exchange the two"
            )
            yield pipeline.problem(("losses", name), text, phase=phase)
        for node, side in _one_sided(nodes, generators, real, fake):
            text = (
                f"`{node.text}` treats `{side}` in a way that nothing treats the other side, so that a discriminator "
                f"learns to tell the treatment. Write {node.name}(...) with the same settings in `real` and in `fake`"
            )
            yield pipeline.problem(node.path, text, column=node.column, phase=phase)


def _is_same(nodes: Sequence[Node], first: Node, second: Node) -> bool:
    """Whether two values are computed alike, also where their operations draw and remember each for itself."""
    if first is second:
        return True
    return (
        (first.kind, first.name, _choices(first)) == (second.kind, second.name, _choices(second))
        and _places(first) == _places(second) != []
        and all(_is_same(nodes, *pair) for pair in _pairs(nodes, first, second))
    )


def _one_sided(nodes: Sequence[Node], generators: frozenset[str], real: Node, fake: Node) -> Iterator[tuple[Node, str]]:
    """Treatments of one side alone, each with the side; arguments of equal calls are compared place by place."""
    if real is fake:
        return
    alike = (real.kind, real.name, _places(real)) == (fake.kind, fake.name, _places(fake))
    if alike and real.kind in _SAME_PLACE and real.name not in generators:
        for pair in _pairs(nodes, real, fake):
            yield from _one_sided(nodes, generators, *pair)
        return
    treated = {
        side: {_treatment(nodes, n): n for n in behind(nodes, generators, index) if n.is_marked("both_sides")}
        for side, index in (("real", real.index), ("fake", fake.index))
    }
    for side, other in (("real", "fake"), ("fake", "real")):
        yield from ((node, side) for key, node in treated[side].items() if key not in treated[other])


def _pairs(nodes: Sequence[Node], first: Node, second: Node) -> Iterator[tuple[Node, Node]]:
    """Arguments of two calls that stand at the same place."""
    for one, other in zip(_arguments(first), _arguments(second), strict=True):
        yield nodes[one], nodes[other]


def _arguments(node: Node) -> list[int]:
    return [*node.inputs, *(index for _, index in node.keywords)]


def _places(node: Node) -> list[int | str]:
    """Where its arguments stand."""
    return [*range(len(node.inputs)), *(key for key, _ in node.keywords)]


def _choices(node: Node) -> Mapping[str, Any] | None:
    return None if node.operation is None else node.operation[1]


def _treatment(nodes: Sequence[Node], node: Node) -> tuple[Any, ...]:
    """What an operation does, whatever it does it to: its settings, and what fades it."""
    strength = [nodes[index].name for index in node.inputs if nodes[index].kind in {"schedule", "literal"}]
    return node.name, repr(_choices(node)), *strength


# -- histories --------------------------------------------------------------------------------------------------------


def parted_histories(game: Game, phase: int) -> Iterator[Problem]:
    """Discriminators that judge, and losses that compare, earlier examples with something of the present ones."""
    nodes = game.graphs[phase].nodes
    inputs: list[frozenset[str]] = []  # names of the fields and latents that each value is made of
    sources: list[tuple[Node, ...]] = []  # of each value: histories, and inputs that reach it past them
    for node in nodes:
        arguments = _arguments(node)
        inputs.append(frozenset({node.name} if node.kind == "input" else set()).union(*(inputs[i] for i in arguments)))
        found = tuple(dict.fromkeys(source for index in arguments for source in sources[index]))
        past = [source for source in found if source.is_marked("is_history")]
        if node.kind == "input" or node.is_marked("is_history"):
            found = (node,)
        elif past and node.is_marked("makes_leaf"):
            found = tuple(past)  # a point between given and earlier examples, for a penalty
        elif past and node.kind == "network" and game.pipeline.side(node.name) == "discriminators":
            of = inputs[past[0].index]
            parted = [source for source in found if _is_parted(game, source, past[0], of)]
            if parted:
                text = _parted(game, phase, node, found, parted)
                yield game.pipeline.problem(node.path, text, column=node.column, phase=phase)
                found = tuple(past[:1])  # said once, not again for what comes after
        sources.append(found)
    yield from _parted_terms(game, phase, inputs, sources)


def _parted_terms(
    game: Game, phase: int, inputs: Sequence[frozenset[str]], sources: Sequence[Sequence[Node]]
) -> Iterator[Problem]:
    """Losses that compare earlier examples one by one with what the present ones were made of, such as a label."""
    nodes, pipeline = game.graphs[phase].nodes, game.pipeline
    for name, indices in game.term_nodes[phase].items():
        values = {key: index for key, index in indices.items() if key not in _JUDGED}
        past = {key: [each for each in sources[index] if each.is_marked("is_history")] for key, index in values.items()}
        wrong = next(
            (
                (key, histories[0], other)
                for key, histories in past.items()
                for other in values
                if histories
                and other != key
                and not past[other]
                and any(source.name in inputs[histories[0].index] for source in sources[values[other]])
            ),
            None,
        )
        if wrong is not None and pipeline.phases[phase].losses[name].weight != 0.0:
            key, history, other = wrong
            text = (
                f"`{key}` ({nodes[values[key]].text}) is of earlier examples, from `{history.text}`, and `{other}` "
                f"({nodes[values[other]].text}) of the present ones, with which they have nothing to do. Give this "
                f"loss `{game.graphs[phase].written(history.inputs[0])}` without {history.name}"
            )
            yield pipeline.problem(("losses", name), text, phase=phase)


def _is_parted(game: Game, source: Node, history: Node, of: frozenset[str]) -> bool:
    """Whether a source belongs to an example, so that an earlier example goes with an earlier one."""
    if source.is_marked("is_history"):
        return source is not history
    return source.name in game.fields or source.name in of


def _parted(game: Game, phase: int, node: Node, found: Sequence[Node], parted: Sequence[Node]) -> str:
    """What is wrong with a call, and what to write."""
    graph = game.graphs[phase]
    history = next(source for source in found if source.is_marked("is_history"))
    joined = []
    for source in found:
        if source.is_marked("is_history"):
            joined.append(graph.written(source.inputs[0]))
        elif source in parted:
            spec = game.input_spec(source.name)
            joined.append(f"one_hot({source.name}, classes={spec.classes})" if isinstance(spec, Label) else source.name)
    whole = f"concat({', '.join(joined)})"
    others = ", ".join(f"`{source.text}`" for source in parted)
    return (
        f"`{node.text}` judges earlier examples, from `{history.text}`, together with {others} of other examples. Keep "
        f"them together: `{node.name}({history.name}({whole}))`, and `real` joined in the same way; or leave out "
        f"{history.name}"
    )
