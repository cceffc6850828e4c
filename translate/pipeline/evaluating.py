"""How a draw is evaluated: each turn is compiled once into a short list of calls, then only run.

The rules (numbers as in the tests):

1. One draw is shared by the turns of an iteration; a repeated turn begins a draw of its own.
2. Networks that learn in a turn are live; gradients flow through the others, never into them. Batch-norm statistics
   of a network move only with its own training forward.
3. What does not depend on a live network is a constant of the turn.
4. Only the expressions that a loss names for its side are evaluated.
5. Nothing is computed twice while it is valid: what a later turn of the same draw needs with its graph is computed
   once, with its graph, and earlier turns see it detached. After a step, everything that depends on a network that
   learned is dropped.
6. Operations with memory belong to their call site.
7. Only histories through networks are cut: a leaf that an operation makes stays attached.
8. Nothing here waits for the device.

Every node has two slots in a draw: its constant value and its live (attached) one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn

from translate.errors import PluginError, TranslateError
from translate.pipeline.building import Game
from translate.pipeline.graph import Graph, Node
from translate.pipeline.settings import Phase, Schedulable, Term, Turn
from translate.pipeline.trees import map_tensors, read_attribute

EMPTY: Final = object()
Values = list[Any]
Call = Callable[..., Any]


@dataclass(slots=True)
class Draw:
    """The values of one draw: one batch, one sample of each latent, the schedules at one step."""

    values: Values
    step: int


@dataclass(slots=True)
class Instruction:
    """Fill one slot."""

    out: int
    run: Callable[[Values], None]
    node: Node


@dataclass(slots=True)
class PlannedTerm:
    """One loss of one turn."""

    name: str
    function: Call
    arguments: tuple[tuple[str, int], ...]
    weight: float | Callable[[int], float]
    term: Term


@dataclass(slots=True)
class Plan:
    """A turn, compiled for the turns that follow it in its draw."""

    turn: Turn
    instructions: list[Instruction] = field(default_factory=list)
    terms: list[PlannedTerm] = field(default_factory=list)
    trainable: frozenset[str] = frozenset()
    dropped: list[int] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class TurnResult:
    """What a turn computed.

    Attributes:
        loss: The weighted sum of the terms, 0-d, with its graph; None when no term depends on a learning network.
        terms: Each term by itself, unweighted and detached, on the device.
    """

    loss: torch.Tensor | None
    terms: Mapping[str, torch.Tensor]


@dataclass(slots=True, frozen=True)
class TurnStep:
    """One turn in the sequence of an iteration.

    Attributes:
        turn: Name.
        begins_draw: Whether a new draw begins with it.
        following: Names of the turns that share the rest of its draw.
    """

    turn: str
    begins_draw: bool
    following: tuple[str, ...]


class Evaluator:
    """Evaluates the turns of one phase.

    Args:
        game: The built pipeline.
        phase: Index of the phase.
        modules: What is called in place of `game.networks` (wrapped for several processes).
        autocast: Context for network calls; their results are cast back to float32.
        keep_graphs: Rule 5's sharing of graphs between turns. Off while batches are accumulated in parts, where
            keeping every part's graph would cost the memory that accumulation saves.
    """

    def __init__(
        self,
        game: Game,
        phase: int = 0,
        *,
        modules: Mapping[str, Call] | None = None,
        autocast: Callable[[], AbstractContextManager[Any]] | None = None,
        keep_graphs: bool = True,
    ) -> None:
        self.game = game
        self.graph: Graph = game.graphs[phase]
        self.phase: Phase = game.pipeline.phases[phase]
        self._modules: Mapping[str, Call] = modules or game.networks
        self._autocast = autocast
        self._keep_graphs = keep_graphs
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}
        self._functions = {name: term_functions(term) for name, term in self.phase.losses.items()}
        self._norms: dict[str, list[Any]] = {
            name: [part for part in module.modules() if has_statistics(part)] for name, module in game.networks.items()
        }
        self._steps = {name: scheduled(game, turn.steps) for name, turn in self.phase.turns.items()}
        self._inputs = [node for node in self.graph.nodes if node.kind == "input"]
        self._schedules = [node for node in self.graph.nodes if node.kind == "schedule"]
        self._blank: Values = [EMPTY] * (2 * len(self.graph.nodes))
        for node in self.graph.nodes:
            if node.kind == "literal":
                self._blank[2 * node.index] = node.value
        self._training_inputs = self._find_training_inputs()

    # -- iterations and draws ---------------------------------------------------------------------------------------

    def sequence(self, step: int) -> list[TurnStep]:
        """The turns of an iteration, in order. A new draw begins with each repetition of a turn."""
        turns: list[str] = []
        for name, steps in self._steps.items():
            turns += [name] * int(steps(step) if callable(steps) else steps)
        begins = [index == 0 or turns[index - 1] == turn for index, turn in enumerate(turns)]
        ends = [*[index for index, begin in enumerate(begins) if begin][1:], len(turns)]
        result = []
        for index, turn in enumerate(turns):
            end = next(end for end in ends if end > index)
            result.append(TurnStep(turn, begins[index], tuple(turns[index + 1 : end])))
        return result

    def begin(self, fields: Mapping[str, torch.Tensor], step: int, sample: Callable[[str], torch.Tensor]) -> Draw:
        """Begin a draw.

        Args:
            fields: The batch, by field name.
            step: The iteration, for schedules.
            sample: Draws a latent by name; called once for each latent that the losses depend on.
        """
        values = self._blank.copy()
        for node in self._training_inputs:
            values[2 * node.index] = fields[node.name] if node.name in fields else sample(node.name)
        for node in self._schedules:
            values[2 * node.index] = self.game.schedules[node.name](step)
        return Draw(values, step)

    def run_turn(self, draw: Draw, turn: str, following: tuple[str, ...] = ()) -> TurnResult:
        """Evaluate one turn's losses. The caller runs backward, steps the optimiser, then calls `finish_turn`.

        Raises:
            PluginError: A component failed; names the expression and what it was given.
        """
        plan = self.plan(turn, following)
        self._set_modes(plan)
        values = draw.values
        doing: Any = None
        try:
            for doing in plan.instructions:
                if values[doing.out] is EMPTY:
                    doing.run(values)
            total: torch.Tensor | None = None
            terms = {}
            for doing in plan.terms:
                value = doing.function(**{name: values[slot] for name, slot in doing.arguments})
                weight = doing.weight(draw.step) if callable(doing.weight) else doing.weight
                part = value if weight == 1.0 else value * weight
                total = part if total is None else total + part
                terms[doing.name] = value.detach()
        except (TranslateError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as exc:
            raise self._component_failed(doing, exc) from exc
        return TurnResult(total, terms)

    def finish_turn(self, draw: Draw, turn: str) -> None:
        """Drop every value that depends on a network that has just learned."""
        values = draw.values
        for slot in self.plan(turn, ()).dropped:
            values[slot] = EMPTY

    def plan(self, turn: str, following: tuple[str, ...]) -> Plan:
        """The compiled turn, given the turns that follow it in the same draw."""
        if not self._keep_graphs:
            following = ()
        key = (turn, following)
        if key not in self._plans:
            later = [self.phase.turns[name] for name in following]
            self._plans[key] = _Compiler(self, self.phase.turns[turn], later).compile()
        return self._plans[key]

    # -- inside -----------------------------------------------------------------------------------------------------

    def _find_training_inputs(self) -> list[Node]:
        needed: set[int] = set()
        for name in self.phase.turns:
            for instruction in self.plan(name, ()).instructions:
                needed |= {instruction.node.index, *instruction.node.inputs, *(i for _, i in instruction.node.keywords)}
            needed |= {slot // 2 for term in self.plan(name, ()).terms for _, slot in term.arguments}
        return [node for node in self._inputs if node.index in needed]

    def _set_modes(self, plan: Plan) -> None:
        learning = self.game.learning
        for name, parameters in self.game.trainable.items():
            learns = name in plan.trainable
            if learning.get(name) is learns:
                continue
            learning[name] = learns
            for parameter in parameters:
                parameter.requires_grad_(learns)
            for norm in self._norms[name]:
                norm.track_running_stats = learns

    def release(self) -> None:
        """Give every network back as it was: all parameters trainable, all statistics tracked."""
        for name, parameters in self.game.trainable.items():
            for parameter in parameters:
                parameter.requires_grad_(True)
            for norm in self._norms[name]:
                norm.track_running_stats = True
        self.game.learning.clear()

    def network_call(self, name: str) -> Call:
        """What is called for a network: the module, under autocast where precision asks for it."""
        module, autocast = self._modules[name], self._autocast
        if autocast is None:
            return module

        def call(*args: Any, **kwargs: Any) -> Any:
            with autocast():
                result = module(*args, **kwargs)
            return map_tensors(to_float32, result)

        return call

    def term_function(self, term: Term, turn: Turn) -> tuple[Call, tuple[str, ...]] | None:
        """A term's function for the side that learns in a turn, with the expressions it asks for."""
        functions = self._functions[term.name]
        return functions.get("both") or functions.get(turn.side.removesuffix("s"))

    def _component_failed(self, doing: Any, exc: Exception) -> PluginError:
        if isinstance(doing, PlannedTerm):
            entry = doing.term.use.entry
            what = f"loss '{doing.name}' ({entry.name} from {entry.provider})"
            where = f"losses.{doing.name}"
        else:
            what = f"{doing.node.kind} '{doing.node.name}' in `{doing.node.text}`"
            where = ".".join(map(str, doing.node.path))
        first = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        return PluginError(f"{what} failed: {type(exc).__name__}: {first}", where=where)


class _Compiler:
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
            weight = scheduled(self._evaluator.game, term.weight)
            self._plan.terms.append(PlannedTerm(term.name, function, slots, weight, term))
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
            function, names = found
            indices = self._evaluator.game.term_nodes[self._evaluator.graph.phase][term.name]
            arguments = [(name, indices[name]) for name in names if name in indices]
            if any(self._nodes[index].networks & learn for _, index in arguments):
                yield term, function, arguments

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
            function = self._evaluator.network_call(node.name)
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
            run = _call(function, arguments, keywords, slot)
        elif node.kind == "attribute":
            run = _attribute(node.name, arguments[0], slot)
        else:
            run = _sequence(arguments, slot)
        self._plan.instructions.append(Instruction(slot, run, node))


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


def _attribute(name: str, source: int, out: int) -> Callable[[Values], None]:
    def run(values: Values) -> None:
        values[out] = read_attribute(values[source], name)

    return run


def _sequence(arguments: list[int], out: int) -> Callable[[Values], None]:
    def run(values: Values) -> None:
        values[out] = [values[slot] for slot in arguments]

    return run


def has_statistics(module: nn.Module) -> bool:
    """Whether a module is a batch norm that gathers statistics."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None  # noqa: SLF001


def to_float32(tensor: torch.Tensor) -> torch.Tensor:
    """Half-precision results as float32, everything else as it is."""
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor


def scheduled(game: Game, value: Schedulable) -> float | Callable[[int], float]:
    """A number, or the schedule object that gives one for a step."""
    return value if isinstance(value, float) else game.schedule(value)


def term_functions(term: Term) -> dict[str, tuple[Call, tuple[str, ...]]]:
    """The functions of a loss by side (`discriminator`, `generator`, or `both`), with the expressions each asks for."""
    schema = term.use.entry.schema
    if "both" in schema.sides:
        factory, choices = term.use.entry.factory, dict(term.use.choices)
        function = (lambda **values: factory(**values, **choices)) if choices else factory
        return {"both": (function, schema.sides["both"])}
    loss = term.use.create()
    return {side: (getattr(loss, side), names) for side, names in schema.sides.items()}
