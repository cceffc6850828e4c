"""A turn compiled once into a short list of calls: which values are constant, live, or kept with their graph.

Every node has two slots in a draw: its constant value (2 x index) and its live, attached one (2 x index + 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from translate.pipeline.game import Game, made
from translate.pipeline.graph import Node
from translate.pipeline.measuring import Comparison, comparison
from translate.pipeline.settings import Pipeline, Schedulable, Term, Turn, Use
from translate.pipeline.trees import map_tensors, read_attribute
from translate.pipeline.watching import Form, checked_schedule, watched

if TYPE_CHECKING:
    from translate.pipeline.evaluating import Evaluator

Values = list[Any]
Call = Callable[..., Any]


@dataclass(slots=True)
class Instruction:
    """Fill one slot."""

    out: int
    run: Callable[[Values], None]
    node: Node


@dataclass(slots=True)
class PlannedTerm:
    """One loss of one turn; `measured` and `compared` are for logged iterations: see `translate.pipeline.measuring`."""

    name: str
    function: Call
    arguments: tuple[tuple[str, int], ...]
    weight: float | Callable[[int], float]
    term: Term
    measured: Call | None = None
    compared: Comparison | None = None


@dataclass(slots=True)
class Plan:
    """A turn, compiled for the turns that follow it in its draw."""

    turn: Turn
    instructions: list[Instruction] = field(default_factory=list)
    terms: list[PlannedTerm] = field(default_factory=list)
    trainable: frozenset[str] = frozenset()
    dropped: list[int] = field(default_factory=list)


class TurnCompiler:
    """Compiles one turn: which nodes are needed, constant, live, or kept with their graph for a later turn."""

    def __init__(self, evaluator: Evaluator, turn: Turn, following: Sequence[Turn]) -> None:
        self._evaluator = evaluator
        self._nodes = evaluator.graph.nodes
        self._turn = turn
        self._live = frozenset(turn.learn)
        self._following = following
        self._plan = Plan(turn)
        self._seen: set[int] = set()
        self._trainable = set(turn.learn)
        self._conduits: frozenset[str] = frozenset()
        self._needed_later = [self._live_nodes(later) for later in following]

    def compile(self) -> Plan:
        """Build the plan."""
        terms = list(self._terms(self._turn))
        live = self._live_nodes(self._turn)
        self._conduits = frozenset(self._nodes[i].name for i in live if self._nodes[i].kind == "network") - self._live
        for term, function, arguments in terms:
            slots = tuple((name, self._need(index, self._live)) for name, index in arguments)
            weight = _signed(term, scheduled(self._evaluator.game, term.weight))
            judged = self._judged(term, dict(arguments))
            self._plan.terms.append(PlannedTerm(term.name, watched(function), slots, weight, term, *judged))
        self._plan.trainable = frozenset(self._trainable)
        self._plan.dropped = [
            slot for node in self._nodes if node.networks & self._live for slot in (2 * node.index, 2 * node.index + 1)
        ]
        return self._plan

    def _terms(self, turn: Turn) -> Iterator[tuple[Term, Call, list[tuple[str, int]]]]:
        """The terms that count in a turn: listed, with a function for its side, and dependent on what learns."""
        learn = frozenset(turn.learn)
        for term in self._evaluator.phase.losses.values():
            found = self._evaluator.term_function(term, turn)
            if found is None or (turn.losses is not None and term.name not in turn.losses) or term.weight == 0.0:
                continue
            if term.side not in {None, turn.side}:
                continue
            function, names = found
            indices = self._evaluator.game.term_nodes[self._evaluator.graph.phase][term.name]
            arguments = [(name, indices[name]) for name in names if name in indices]
            if any(self._nodes[index].networks & learn for _, index in arguments):
                yield term, function, arguments

    def _judged(self, term: Term, arguments: Mapping[str, int]) -> tuple[Call | None, Comparison | None]:
        """What is measured of an adversarial term in a turn of the discriminators."""
        if self._turn.side != "discriminators" or not {"real", "fake"} <= arguments.keys():
            return None, None
        pipeline = self._evaluator.game.pipeline
        generators = frozenset(name for name in pipeline.networks if pipeline.side(name) == "generators")
        compared = comparison(self._nodes, generators, arguments["real"], arguments["fake"])
        return self._evaluator.measured_function(term), compared

    def _live_nodes(self, turn: Turn) -> frozenset[int]:
        """Nodes that a turn needs live."""
        learn = frozenset(turn.learn)
        found: set[int] = set()
        pending = [index for _, _, arguments in self._terms(turn) for _, index in arguments]
        while pending:
            node = self._nodes[pending.pop()]
            if node.index not in found and node.networks & learn:
                found.add(node.index)
                pending += [*node.inputs, *(index for _, index in node.keywords)]
        return frozenset(found)

    def _kept_for(self, node: Node) -> frozenset[str] | None:
        """What learns in the later turn that needs this constant with its graph, if it stays valid until then."""
        if not node.networks or node.networks & (self._live | self._conduits):
            return None
        for later, needed in zip(self._following, self._needed_later, strict=True):
            learn = frozenset(later.learn)
            if node.networks & learn:
                return learn if node.index in needed and not self._differs(node, learn) else None
        return None

    def _differs(self, node: Node, live: frozenset[str]) -> bool:
        """Whether a node's constant is something else than its live value, detached, by itself or by its history."""
        if not node.networks & live:
            return False
        if node.operation is not None and _differs_live(node.operation[0].factory):
            return True
        before = (*node.inputs, *(index for _, index in node.keywords))
        return any(self._differs(self._nodes[index], live) for index in before)

    def _need(self, index: int, live: frozenset[str]) -> int:
        """Make sure a node is computed as a turn with these live networks sees it; returns its slot."""
        node = self._nodes[index]
        if node.networks & live:
            slot = 2 * index + 1
            if slot not in self._seen:
                self._seen.add(slot)
                self._emit(node, slot, live, attached=True)
            return slot
        slot = 2 * index
        if slot in self._seen:
            return slot
        self._seen.add(slot)
        kept = self._kept_for(node)
        if kept is not None:
            attached = self._need(index, kept)
            self._trainable |= kept & node.networks
            self._plan.instructions.append(Instruction(slot, _detach(attached, slot), node))
        else:
            self._emit(node, slot, live, attached=False)
        return slot

    def _emit(self, node: Node, slot: int, live: frozenset[str], *, attached: bool) -> None:
        if node.kind in {"input", "schedule", "literal"}:
            return
        arguments = [self._need(index, live) for index in node.inputs]
        keywords = [(name, self._need(index, live)) for name, index in node.keywords]
        if node.kind == "network":
            function = watched(self._evaluator.network_call(node.name), expected=self._expected(node))
            run = (
                _call(function, arguments, keywords, slot)
                if attached
                else _call_cut(function, arguments, keywords, slot)
            )
        elif node.kind == "operation":
            function = self._evaluator.game.operation(node)
            live_inputs = any(self._nodes[index].networks & live for index in node.inputs)
            if live_inputs and hasattr(function, "live"):
                function = function.live
            function = watched(function, expected=self._expected(node), gives_tensors=False)
            run = _call(function, arguments, keywords, slot)
        elif node.kind == "attribute":
            run = _attribute(node.name, arguments[0], slot)
        else:
            run = _sequence(arguments, slot)
        self._plan.instructions.append(Instruction(slot, run, node))

    def _expected(self, node: Node) -> Form | None:
        return self._evaluator.game.forms.get((self._evaluator.graph.phase, node.index))


def _differs_live(operation: Any) -> bool:
    """Whether an operation's constant is something else than its live value, detached: a pool, a leaf for a penalty."""
    return hasattr(operation, "live") or getattr(operation, "makes_leaf", False)


def _call(function: Call, arguments: list[int], keywords: list[tuple[str, int]], out: int) -> Callable[[Values], None]:
    if keywords:

        def run(values: Values) -> None:
            named = {name: values[slot] for name, slot in keywords}
            values[out] = function(*[values[slot] for slot in arguments], **named)
    else:

        def run(values: Values) -> None:
            values[out] = function(*[values[slot] for slot in arguments])

    return run


def _call_cut(
    function: Call, arguments: list[int], keywords: list[tuple[str, int]], out: int
) -> Callable[[Values], None]:
    inner = _call(function, arguments, keywords, out)

    def run(values: Values) -> None:
        with torch.no_grad():
            inner(values)

    return run


def _detach(source: int, out: int) -> Callable[[Values], None]:
    def run(values: Values) -> None:
        values[out] = map_tensors(torch.Tensor.detach, values[source])

    return run


def _signed(term: Term, weight: float | Callable[[int], float]) -> float | Callable[[int], float]:
    """A term's weight in its turn's sum, which is lowered: the other way round where the value is to be large."""
    if not getattr(term.use.entry.factory, "is_maximised", False):
        return weight
    return (lambda step: -weight(step)) if callable(weight) else -weight


def _attribute(name: str, source: int, out: int) -> Callable[[Values], None]:
    def run(values: Values) -> None:
        values[out] = read_attribute(values[source], name)

    return run


def _sequence(arguments: list[int], out: int) -> Callable[[Values], None]:
    def run(values: Values) -> None:
        values[out] = [values[slot] for slot in arguments]

    return run


def scheduled(game: Game, value: Schedulable) -> float | Callable[[int], float]:
    """A number, or a function that gives one for a step.

    Raises:
        PluginError: (By that function) the schedule fails, or gives something else.
    """
    return value if not isinstance(value, Use) else checked_schedule(value, game.schedule(value))


def term_functions(term: Term, pipeline: Pipeline) -> dict[str, tuple[Call, tuple[str, ...]]]:
    """The functions of a loss by side (`discriminator`, `generator`, or `both`), with the expressions each asks for.

    `measured`, where the loss has it, takes the expressions of the discriminator's side.
    """
    schema = term.use.entry.schema
    if "both" in schema.sides:
        factory, choices = term.use.entry.factory, dict(term.use.choices)
        function = (lambda **values: factory(**values, **choices)) if choices else factory
        return {"both": (function, schema.sides["both"])}
    loss = made(pipeline, term.use)
    functions = {side: (getattr(loss, side), names) for side, names in schema.sides.items()}
    if "discriminator" in functions and hasattr(loss, "measured"):
        functions["measured"] = (loss.measured, functions["discriminator"][1])
    return functions
