"""How a draw is evaluated: each turn is compiled once into a short list of calls, then only run.

The rules (numbers as in the tests):

1. One draw is shared by the turns of an iteration; a repeated turn begins a draw of its own, and a `fresh` one a draw
   of new latents with the same batch.
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

`translate.pipeline.compiling` turns the rules into a plan; this module runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import nn

from translate.components import Entry
from translate.errors import ANYTHING, PluginError, TranslateError
from translate.pipeline.compiling import (
    Call,
    Plan,
    PlannedTerm,
    TurnCompiler,
    Values,
    scheduled,
    term_functions,
)
from translate.pipeline.game import Game
from translate.pipeline.graph import Graph, Node
from translate.pipeline.measuring import measure
from translate.pipeline.settings import Phase, Term, Turn
from translate.pipeline.trees import map_tensors
from translate.pipeline.watching import (
    check_drawn,
    check_loss,
    checked_schedule,
    component_failed,
    failure,
)

EMPTY: Final = object()


@dataclass(slots=True)
class Draw:
    """The values of one draw: one batch, one sample of each latent, the schedules at one step."""

    values: Values
    step: int


@dataclass(slots=True, frozen=True)
class TurnResult:
    """What a turn computed.

    Attributes:
        loss: The weighted sum of the terms, 0-d, with its graph; None when no term depends on a learning network.
        terms: Each term by itself, unweighted and detached, on the device.
        measured: What was measured beside them where that was asked for, by `TERM.NAME`, on the device.
    """

    loss: torch.Tensor | None
    terms: Mapping[str, torch.Tensor]
    measured: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class TurnStep:
    """One turn in the sequence of an iteration.

    Attributes:
        turn: Name.
        begins_draw: Whether a new draw begins with it.
        following: Names of the turns that share the rest of its draw.
        keeps_batch: Whether that draw has the batch of the one before, and new latents only.
    """

    turn: str
    begins_draw: bool
    following: tuple[str, ...]
    keeps_batch: bool = False


class Evaluator:
    """Evaluates the turns of one phase.

    Args:
        game: The built pipeline.
        phase: Index of the phase.
        autocast: Context for network calls; their results are cast back to float32.
        keep_graphs: Rule 5's sharing of graphs between turns. Off while batches are accumulated in parts, where
            keeping every part's graph would cost the memory that accumulation saves.
    """

    def __init__(
        self,
        game: Game,
        phase: int = 0,
        *,
        autocast: Callable[[], AbstractContextManager[Any]] | None = None,
        keep_graphs: bool = True,
    ) -> None:
        self.game = game
        self.graph: Graph = game.graphs[phase]
        self.phase: Phase = game.pipeline.phases[phase]
        self._autocast = autocast
        self._keep_graphs = keep_graphs
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}
        self._functions = {name: term_functions(term, game.pipeline) for name, term in self.phase.losses.items()}
        self._norms: dict[str, list[Any]] = {
            name: [part for part in module.modules() if has_statistics(part)] for name, module in game.networks.items()
        }
        self._steps = {name: scheduled(game, turn.steps) for name, turn in self.phase.turns.items()}
        self._inputs = [node for node in self.graph.nodes if node.kind == "input"]
        self._at = {
            name: checked_schedule(use, self.game.schedules[name]) for name, use in game.pipeline.schedules.items()
        }
        self._schedules = [node for node in self.graph.nodes if node.kind == "schedule"]
        self._blank: Values = [EMPTY] * (2 * len(self.graph.nodes))
        for node in self.graph.nodes:
            if node.kind == "literal":
                self._blank[2 * node.index] = node.value
        self._training_inputs = self._find_training_inputs()

    # -- iterations and draws ---------------------------------------------------------------------------------------

    def sequence(self, step: int) -> list[TurnStep]:
        """The turns of an iteration, in order. Each repetition of a turn begins a new draw, and a fresh turn too."""
        turns: list[str] = []
        for name, steps in self._steps.items():
            turns += [name] * int(steps(step) if callable(steps) else steps)
        repeated = [index == 0 or turns[index - 1] == turn for index, turn in enumerate(turns)]
        begins = [again or self.phase.turns[turn].fresh for again, turn in zip(repeated, turns, strict=True)]
        ends = [*[index for index, begin in enumerate(begins) if begin][1:], len(turns)]
        result = []
        for index, turn in enumerate(turns):
            end = next(end for end in ends if end > index)
            keeps = begins[index] and not repeated[index]
            result.append(TurnStep(turn, begins[index], tuple(turns[index + 1 : end]), keeps))
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
            values[2 * node.index] = fields[node.name] if node.name in fields else self._sampled(node.name, sample)
        for node in self._schedules:
            values[2 * node.index] = self._at[node.name](step)
        return Draw(values, step)

    def _sampled(self, name: str, sample: Callable[[str], torch.Tensor]) -> torch.Tensor:
        """A latent of the size that it says it has."""
        try:
            drawn = sample(name)
            check_drawn(drawn, self.game.latents[name].spec)
        except (TranslateError, MemoryError, torch.OutOfMemoryError):
            raise
        except ANYTHING as exc:
            raise failure(self.game.pipeline.latents[name], exc) from exc
        return drawn

    def run_turn(
        self, draw: Draw, turn: str, following: tuple[str, ...] = (), *, measuring: bool = False
    ) -> TurnResult:
        """Evaluate one turn's losses. The caller runs backward, steps the optimiser, then calls `finish_turn`.

        Args:
            draw: The values so far.
            turn: Name.
            following: Names of the turns that share the rest of the draw.
            measuring: Also measure what `translate.pipeline.measuring` says; changes nothing else.

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
                value = self._loss(doing, {name: values[slot] for name, slot in doing.arguments})
                weight = doing.weight(draw.step) if callable(doing.weight) else doing.weight
                part = value if weight == 1.0 else value * weight
                total = part if total is None else total + part
                terms[doing.name] = value.detach()
            measured = measure(plan, values, EMPTY) if measuring else {}
        except (TranslateError, MemoryError, torch.OutOfMemoryError):
            raise
        except ANYTHING as exc:
            raise self._component_failed(doing, exc) from exc
        return TurnResult(total, terms, measured)

    @staticmethod
    def _loss(term: PlannedTerm, given: Mapping[str, Any]) -> torch.Tensor:
        value: torch.Tensor = term.function(**given)
        check_loss(value)
        return value

    def backward_failed(self, turn: str, exc: BaseException) -> PluginError:
        """The error of a gradient that cannot be computed."""
        pipeline, plan = self.game.pipeline, self.plan(turn, ())
        entries = [term.term.use.entry for term in plan.terms]
        for instruction in plan.instructions:
            entries += self._entries(instruction.node)
        entries += [pipeline.networks[name].entry for name in plan.turn.learn]
        return component_failed(f"the gradient of turn '{turn}'", ("turns", turn), entries, exc)

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
            self._plans[key] = TurnCompiler(self, self.phase.turns[turn], later).compile()
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
        module, autocast = self.game.networks[name], self._autocast
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

    def loss_objects(self) -> dict[str, Any]:
        """The objects behind losses that have two sides, by term."""
        return {
            name: function.__self__
            for name, functions in self._functions.items()
            for function, _ in functions.values()
            if hasattr(function, "__self__")
        }

    def measured_function(self, term: Term) -> Call | None:
        """What a loss measures beside its value in the discriminators' turns, if anything."""
        return self._functions[term.name].get("measured", (None,))[0]

    def _component_failed(self, doing: Any, exc: BaseException) -> PluginError:
        if isinstance(doing, PlannedTerm):
            return component_failed(f"loss '{doing.name}'", ("losses", doing.name), [doing.term.use.entry], exc)
        node = doing.node
        return component_failed(f"{node.kind} '{node.name}' in `{node.text}`", node.path, self._entries(node), exc)

    def _entries(self, node: Node) -> list[Entry]:
        if node.kind == "network":
            use = self.game.pipeline.networks[node.name]
            return [use.entry, *([use.weights.entry] if use.weights is not None else [])]
        return [node.operation[0]] if node.operation is not None else []


def has_statistics(module: nn.Module) -> bool:
    """Whether a module is a batch norm that gathers statistics."""
    return isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None  # noqa: SLF001


def to_float32(tensor: torch.Tensor) -> torch.Tensor:
    """Half-precision results as float32, everything else as it is."""
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor
