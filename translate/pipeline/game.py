"""A pipeline that is built, and how the components in it are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from translate.components import Catalogue
from translate.errors import ANYTHING, ComponentError, PipelineError, TranslateError
from translate.generators import own_seed, seeded
from translate.pipeline.expressions import Expression
from translate.pipeline.graph import Graph, Node
from translate.pipeline.settings import Path_, Pipeline, Schedulable, Use
from translate.pipeline.watching import Form, failure
from translate.specs import Spec


@dataclass(frozen=True)
class NetworkInputs:
    """What a network's factory receives: specs of its inputs, and specs asked for by name (`makes`)."""

    inputs: tuple[Spec, ...]
    named: Mapping[str, Spec | Mapping[str, Spec]]


@dataclass
class Game:
    """A built pipeline.

    Attributes:
        pipeline: What it was built from.
        fields: Specs of the data's fields.
        graphs: One graph per phase.
        term_nodes: Per phase, per term, the node of each expression.
        networks: By name.
        network_inputs: What each network was built for.
        latents: Latent objects by name.
        schedules: Schedule objects by name.
        sites: Operations with memory or randomness, by their place; part of the state of a run.
        trainable: The parameters of each network that its factory left trainable.
        learning: Whether each network's parameters are switched to learn at the moment (see `Evaluator`).
        forms: By phase and node, what calls gave on the meta device, where that depends on no schedule.
        specs: By phase and node, what values are, where that is known.
        device: Where operations with state are created.
    """

    pipeline: Pipeline
    fields: Mapping[str, Spec]
    catalogue: Catalogue
    graphs: list[Graph] = field(default_factory=list)
    term_nodes: list[dict[str, dict[str, int]]] = field(default_factory=list)
    networks: dict[str, nn.Module] = field(default_factory=dict)
    network_inputs: dict[str, NetworkInputs] = field(default_factory=dict)
    latents: dict[str, Any] = field(default_factory=dict)
    schedules: dict[str, Callable[[int], float]] = field(default_factory=dict)
    sites: dict[str, nn.Module] = field(default_factory=dict)
    trainable: dict[str, list[nn.Parameter]] = field(default_factory=dict)
    learning: dict[str, bool] = field(default_factory=dict)
    forms: dict[tuple[int, int], Form] = field(default_factory=dict)
    specs: dict[tuple[int, int], Spec | None] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    _inline: dict[int, Callable[[int], float]] = field(default_factory=dict)

    def schedule(self, use: Schedulable) -> Callable[[int], float]:
        """The schedule object of a use, named or written in place."""
        if not isinstance(use, Use):
            msg = f"{use!r} is a number, not a schedule"
            raise TypeError(msg)
        for name, named in self.pipeline.schedules.items():
            if named is use:
                return self.schedules[name]
        if id(use) not in self._inline:
            self._inline[id(use)] = made(self.pipeline, use)
        return self._inline[id(use)]

    def operation(self, node: Node) -> Callable[..., Any]:
        """The callable of an operation node; one object per call site where it has state."""
        assert node.operation is not None
        entry, choices = node.operation
        if not inspect.isclass(entry.factory):
            return partial(entry.factory, **choices) if choices else entry.factory
        if node.key not in self.sites:
            with seeded(own_seed(self.pipeline.training.seed, node.key)):
                operation: nn.Module = cast("Callable[..., nn.Module]", entry.factory)(**choices)
            self.sites[node.key] = operation.to(self.device)
        return self.sites[node.key]

    def input_spec(self, name: str) -> Spec:
        """Spec of a field or latent."""
        return self.fields[name] if name in self.fields else self.latents[name].spec

    def final(self, schedule: str) -> float:
        """The value that a schedule ends at: networks are built for it, so that one that grows is built whole."""
        found = self.schedules[schedule]
        return found(max(int(getattr(found, "end", 0)), self.pipeline.training.steps))

    def own(self) -> None:
        """Note which parameters are trainable, before any turn switches them."""
        self.trainable = {
            name: [parameter for parameter in network.parameters() if parameter.requires_grad]
            for name, network in self.networks.items()
        }

    def add(self, expression: Expression, path: Path_, *, phase: int = -1) -> int:
        """Add an expression to a phase's graph and return its node."""
        return self.graphs[phase].add_at(path, expression)


def made(pipeline: Pipeline, use: Use) -> Any:
    """What needs nothing but its choices; what it draws meanwhile is a function of (seed, its place) alone."""
    with seeded(own_seed(pipeline.training.seed, ".".join(map(str, use.path)))):
        return use.create()


def create(pipeline: Pipeline, use: Use) -> Any:
    """Create what needs nothing but its choices, and say whose it is where that fails.

    Raises:
        PipelineError: It refuses them, or fails.
    """
    try:
        return made(pipeline, use)
    except ComponentError as exc:
        origin = f"{use.entry.kind} '{use.name}' from {use.entry.provider}"
        raise PipelineError([pipeline.problem(use.path, f"{exc.sentences} ({origin})")]) from exc
    except (TranslateError, MemoryError):
        raise
    except ANYTHING as exc:
        failed = failure(use, exc)
        raise PipelineError([replace(pipeline.problem(use.path, failed.what), plugin=True)], fix=failed.fix) from exc
