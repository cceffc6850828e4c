"""What a drawing of a game shows, as plain facts: taken from the evaluator's own plans, so that the drawing is true.

`describe` gathers the facts; `drawing_text`, `drawing_graph` and `drawing_svg` give them a form.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import groupby
from typing import Any, Final

import torch

from translate.components import Catalogue
from translate.drawing.facts import (
    CallFact,
    Drawing,
    ExportFact,
    FlowFact,
    InputFact,
    Made,
    NetworkFact,
    PhaseFact,
    RoundFact,
    TermFact,
    TurnFact,
)
from translate.errors import DataError, PipelineError
from translate.pipeline.building import build_meta, example
from translate.pipeline.compiling import Plan
from translate.pipeline.computing import evaluate
from translate.pipeline.evaluating import Evaluator, TurnStep
from translate.pipeline.expressions import Expression, names, to_text
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.naming import all_expressions, field_names
from translate.pipeline.opening import open_stream
from translate.pipeline.settings import OptimizerSettings, Pipeline, Schedulable, Term, Turn, Use
from translate.pipeline.unfinished import open_settings
from translate.specs import Image, Label, Scalar, Spec, Vector

ASSUMED_SIZE: Final = (256, 256)
ASSUMED_CHANNELS: Final = 3


def draw(pipeline: Pipeline, *, catalogue: Catalogue | None = None) -> Drawing:
    """Gather the facts of a pipeline whose data may be missing.

    Raises:
        PipelineError: Shapes do not fit.
    """
    specs, note = known_fields(pipeline)
    try:
        game = build_meta(pipeline, specs, catalogue=catalogue)
    except PipelineError as exc:
        if note:
            raise PipelineError(exc.problems, fix=f"{note}; give the data if its true sizes fit") from exc
        raise
    return describe(game, note=note)


def known_fields(pipeline: Pipeline) -> tuple[Mapping[str, Spec], str]:
    """Specs of the data's fields; where the data cannot be opened, assumed ones and a note that says so."""
    missing = [".".join(map(str, path)) for path in open_settings(pipeline.document) if path[0] == "data"]
    if not missing:
        try:
            return open_stream(pipeline, "train", batch_size=pipeline.training.batch_size).fields, ""
        except DataError as exc:
            reason = f"the data cannot be opened ({exc.what.splitlines()[0]})"
    else:
        reason = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} still ???"
    height, width = pipeline.data.size or ASSUMED_SIZE
    size = "image_size" if pipeline.data.size else f"{height} x {width} pixels"
    low, high = pipeline.data.value_range
    spec = Image(ASSUMED_CHANNELS, height, width, low, high)
    note = f"sizes assumed: {ASSUMED_CHANNELS} channels at {size}, as {reason}"
    return dict.fromkeys(_field_names(pipeline), spec), note


def _field_names(pipeline: Pipeline) -> list[str]:
    """The declared fields, else every name that nothing in the pipeline defines."""
    declared = field_names(pipeline.dataset)
    if declared is not None:
        return list(declared)
    defined = {*pipeline.latents, *pipeline.schedules, *(name for phase in pipeline.phases for name in phase.flow)}
    found = [name for _, expression, _ in all_expressions(pipeline) for name in _names_in_order(expression)]
    return [name for name in dict.fromkeys(found) if name not in defined]


def _names_in_order(expression: Expression) -> list[str]:
    """The names of values in an expression, as they are written from left to right."""
    return [word for word in re.findall(r"[^\W\d]\w*", to_text(expression)) if word in names(expression)]


def describe(game: Game, *, note: str = "") -> Drawing:
    """Gather the facts of a game on the meta device, as `build_meta` and `check` return it.

    Args:
        game: All its networks are built.
        note: Shown with the data.
    """
    pipeline = game.pipeline
    phases = tuple(_phase(game, index) for index in range(len(pipeline.phases)))
    last = game.graphs[-1]
    return Drawing(
        name=pipeline.name,
        description=pipeline.description,
        note=note,
        dataset=pipeline.dataset.name,
        batch_size=pipeline.training.batch_size,
        accumulate=pipeline.training.accumulate,
        inputs=tuple(_inputs(game)),
        networks=tuple(_network(game, name, phases) for name in pipeline.networks),
        phases=phases,
        exports=tuple(
            ExportFact(
                name=name,
                inputs=export.inputs,
                output=to_text(export.output),
                node=last.add_at(("export", name, "output"), export.output),
            )
            for name, export in pipeline.exports.items()
        ),
    )


def _inputs(game: Game) -> Iterator[InputFact]:
    for name, spec in game.fields.items():
        yield InputFact(name=name, kind="field", component="", spec=spec_text(spec))
    for name, latent in game.latents.items():
        component = game.pipeline.latents[name].name
        yield InputFact(name=name, kind="latent", component=component, spec=spec_text(latent.spec))
    for name, use in game.pipeline.schedules.items():
        yield InputFact(name=name, kind="schedule", component=use.name, spec="number")


def _network(game: Game, name: str, phases: Sequence[PhaseFact]) -> NetworkFact:
    use = game.pipeline.networks[name]
    first, shape = next(
        (node, phase.shapes[node.index])
        for phase in phases
        for node in phase.graph.nodes
        if node.kind == "network" and node.name == name
    )
    return NetworkFact(
        name=name,
        kind=use.entry.kind,
        component=use.name,
        call=first.text,
        output=shape,
        parameters=sum(parameter.numel() for parameter in game.networks[name].parameters()),
    )


def _phase(game: Game, index: int) -> PhaseFact:
    phase, graph = game.pipeline.phases[index], game.graphs[index]
    evaluator = Evaluator(game, index, keep_graphs=game.pipeline.training.accumulate == 1)
    shapes = tuple(_shapes(game, index))
    played = list(_play(evaluator, phase.start))
    computed = Counter(call.network for _, calls in played for call in calls if call.made != "reused")
    return PhaseFact(
        start=phase.start,
        batch_size=phase.batch_size,
        flow=tuple(_flow(game, index, shapes)),
        terms=tuple(_term(game, evaluator, index, term) for term in phase.losses.values()),
        turns=tuple(_turn(game, evaluator, turn, played) for turn in phase.turns.values()),
        draws=sum(step.begins_draw for step, _ in played),
        calls={name: computed[name] * game.pipeline.training.accumulate for name in game.pipeline.networks},
        graph=graph,
        shapes=shapes,
    )


def _shapes(game: Game, phase: int) -> list[str]:
    """The shape of each node's value, found on the meta device."""
    nodes, count = game.graphs[phase].nodes, game.pipeline.examples_at_once(phase)
    inputs = {node.name: example(game.input_spec(node.name), count) for node in nodes if node.kind == "input"}
    with torch.no_grad():
        values = evaluate(
            game, range(len(nodes)), inputs, networks=game.networks, phase=phase, step=game.pipeline.phases[phase].start
        )
    return [shape_text(value) for value in values]


def _flow(game: Game, index: int, shapes: Sequence[str]) -> Iterator[FlowFact]:
    flow, graph = game.pipeline.phases[index].flow, game.graphs[index]
    nodes = {name: graph.add_at(("flow", name), expression) for name, expression in flow.items()}
    for name in sorted(nodes, key=lambda name: nodes[name]):
        parents = _names_in_order(flow[name])
        parent = max(parents, key=lambda other: (nodes.get(other, -1), parents.index(other)), default="")
        yield FlowFact(
            name=name, expression=to_text(flow[name]), shape=shapes[nodes[name]], parent=parent, node=nodes[name]
        )


def _term(game: Game, evaluator: Evaluator, index: int, term: Term) -> TermFact:
    turns = {}
    for name in evaluator.phase.turns:
        for planned in evaluator.plan(name, ()).terms:
            if planned.name == term.name:
                turns[name] = tuple(parameter for parameter, _ in planned.arguments)
    return TermFact(
        name=term.name,
        loss=term.use.name,
        weight=_schedulable(game, term.weight),
        expressions={key: to_text(expression) for key, expression in term.use.expressions.items()},
        nodes=game.term_nodes[index][term.name],
        turns=turns,
    )


def _turn(
    game: Game, evaluator: Evaluator, turn: Turn, played: Sequence[tuple[TurnStep, tuple[CallFact, ...]]]
) -> TurnFact:
    rounds, first = [], 1
    for calls, same in groupby(calls for step, calls in played if step.turn == turn.name):
        last = first + len(list(same)) - 1
        rounds.append(RoundFact(first=first, last=last, calls=calls))
        first = last + 1
    return TurnFact(
        name=turn.name,
        learn=turn.learn,
        side=turn.side,
        optimizer=_optimizer(game, evaluator.phase.optimizers[turn.name]),
        steps=_schedulable(game, turn.steps) + _skipped(turn) + (", fresh latents" if turn.fresh else ""),
        terms=tuple(planned.name for planned in evaluator.plan(turn.name, ()).terms),
        rounds=tuple(rounds),
    )


def _skipped(turn: Turn) -> str:
    if turn.skip_below is None:
        return ""
    by_name = turn.skip_below if isinstance(turn.skip_below, Mapping) else {"": turn.skip_below}
    below = " and ".join(f"{name} {value:g}".strip() for name, value in by_name.items())
    return f", skipped below {below}" + ("" if turn.most_skips is None else f", at most {turn.most_skips} in a row")


def _play(evaluator: Evaluator, step: int) -> Iterator[tuple[TurnStep, tuple[CallFact, ...]]]:
    """The calls of one iteration, as `Evaluator.run_turn` makes them: an instruction runs when its slot is empty."""
    made_in: dict[int, str] = {}
    for turn in evaluator.sequence(step):
        if turn.begins_draw:
            made_in.clear()
        plan = evaluator.plan(turn.turn, turn.following)
        calls = []
        slots = {instruction.out for instruction in plan.instructions}
        for instruction in plan.instructions:
            out, node = instruction.out, instruction.node
            detached = out % 2 == 0 and out + 1 in slots  # the view of a value that is kept with its graph
            if node.kind == "network" and not detached:
                calls.append(_call(evaluator, plan, turn, node, made_in.get(out), live=out % 2 == 1, seen=slots))
            made_in.setdefault(out, turn.turn)
        for slot in plan.dropped:
            made_in.pop(slot, None)
        yield turn, tuple(calls)


def _call(
    evaluator: Evaluator, plan: Plan, turn: TurnStep, node: Node, made_in: str | None, *, live: bool, seen: set[int]
) -> CallFact:
    kept = live and 2 * node.index in seen
    if made_in is not None:
        return CallFact(text=node.text, network=node.name, made="reused", turn=made_in, live=live and not kept)
    if kept:
        later = next(name for name in turn.following if node.networks & {*evaluator.phase.turns[name].learn})
        return CallFact(text=node.text, network=node.name, made="kept", turn=later)
    made: Made = "constant" if not live else "learning" if node.name in plan.turn.learn else "through"
    return CallFact(text=node.text, network=node.name, made=made)


def _schedulable(game: Game, value: Schedulable) -> str:
    if not isinstance(value, Use):
        return f"{value:g}"
    named = [name for name, use in game.pipeline.schedules.items() if use is value]
    choices = ", ".join(f"{key} {_plain(item)}" for key, item in value.choices.items())
    return named[0] if named else f"{value.name}({choices})"


def _optimizer(game: Game, settings: OptimizerSettings) -> str:
    clips = {key: getattr(settings, key) for key in ("clip_norm", "clip_value", "clip_weights")}
    shown = {**settings.parameters, **{key: value for key, value in clips.items() if value is not None}}
    rest = "".join(f", {key.replace('_', ' ')} {_plain(value)}" for key, value in shown.items())
    return f"{settings.name}, lr {_schedulable(game, settings.lr)}{rest}"


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def spec_text(spec: Spec) -> str:
    """A spec in few words, as `image 3×256×256`."""
    if isinstance(spec, Image):
        return f"image {_size(spec.shape)} in [{spec.low:g}, {spec.high:g}]"
    if isinstance(spec, Vector):
        return f"vector {spec.size}"
    if isinstance(spec, Label):
        return f"label of {spec.classes} classes"
    return "number" if isinstance(spec, Scalar) else f"tensor {_size(spec.shape)}"


def shape_text(value: Any) -> str:
    """The shape of one example of a value, as `3×256×256`; of a structured one, those of its parts."""
    if isinstance(value, torch.Tensor):
        return _size(tuple(value.shape[1:])) or "number"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shape_text(item)}" for key, item in value.items())
    if hasattr(value, "_asdict"):
        return shape_text(value._asdict())
    if is_dataclass(value):
        return shape_text({part.name: getattr(value, part.name) for part in fields(value)})
    if isinstance(value, list | tuple):
        return ", ".join(map(shape_text, value))
    return "number" if isinstance(value, float) else ""


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
