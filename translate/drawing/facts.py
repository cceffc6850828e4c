"""What a drawing of a game shows, as plain facts; gathered by `translate.drawing.game`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from translate.pipeline.graph import Graph
from translate.pipeline.settings import Side

Made = Literal["learning", "through", "kept", "constant", "reused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class InputFact:
    """A field of the data, a latent or a schedule."""

    name: str
    kind: Literal["field", "latent", "schedule"]
    component: str
    spec: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkFact:
    """A network: what it is, what its first call is given and makes, and its number of parameters."""

    name: str
    kind: str
    component: str
    call: str
    output: str
    parameters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowFact:
    """An entry of the flow; `parent` is the name it is drawn under, the last value that it needs."""

    name: str
    expression: str
    shape: str
    parent: str
    node: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TermFact:
    """A loss: its expressions, and for each turn in which it counts the parameters it asks for there."""

    name: str
    loss: str
    weight: str
    expressions: Mapping[str, str]
    nodes: Mapping[str, int]
    turns: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFact:
    """A call of a network in a turn.

    Attributes:
        text: As written.
        network: What is called.
        made: learning: computed, the network learns; through: computed, gradients pass through it to one that learns;
            kept: computed with its graph, which a later turn uses; constant: computed without a graph; reused: a value
            of an earlier turn.
        turn: Of a kept value, the turn that uses its graph; of a reused one, the turn that computed it.
        live: Of a reused value, whether its graph is used here.
    """

    text: str
    network: str
    made: Made
    turn: str = ""
    live: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFact:
    """Repetitions of a turn, numbered from 1, that do the same."""

    first: int
    last: int
    calls: tuple[CallFact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnFact:
    """A turn in the iteration at which its phase starts."""

    name: str
    learn: tuple[str, ...]
    side: Side
    optimizer: str
    steps: str
    terms: tuple[str, ...]
    rounds: tuple[RoundFact, ...]

    @property
    def count(self) -> int:
        """Repetitions in the iteration."""
        return self.rounds[-1].last if self.rounds else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseFact:
    """One phase.

    Attributes:
        start: Its first step.
        batch_size: Examples of one step.
        flow: In order.
        terms: In order.
        turns: In order.
        draws: Draws in one iteration.
        calls: Forward calls of each network in one iteration, all parts of an accumulated batch together.
        graph: The phase's expressions as nodes.
        shapes: Shape of each node.
    """

    start: int
    batch_size: int
    flow: tuple[FlowFact, ...]
    terms: tuple[TermFact, ...]
    turns: tuple[TurnFact, ...]
    draws: int
    calls: Mapping[str, int]
    graph: Graph
    shapes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportFact:
    """One file to export."""

    name: str
    inputs: tuple[str, ...]
    output: str
    node: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """All facts. `note` says where sizes had to be assumed."""

    name: str
    description: str
    note: str
    dataset: str
    batch_size: int
    accumulate: int
    inputs: tuple[InputFact, ...]
    networks: tuple[NetworkFact, ...]
    phases: tuple[PhaseFact, ...]
    exports: tuple[ExportFact, ...]
