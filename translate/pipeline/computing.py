"""Values outside training, without graphs and turns: for previews, evaluation and export."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from translate.pipeline.expressions import Name
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.trees import read_attribute


def evaluate(
    game: Game,
    expressions: Sequence[int],
    inputs: Mapping[str, Any],
    *,
    networks: Mapping[str, Callable[..., Any]],
    phase: int = -1,
    step: int = 0,
) -> list[Any]:
    """Compute nodes outside training, without graphs: for previews, evaluation and export.

    Operations are in eval mode meanwhile, in which they use no randomness.

    Args:
        game: The built pipeline.
        expressions: Indices of nodes in the phase's graph.
        inputs: Fields and latents by name (or any flow entry, which then is not computed).
        networks: What is called for each network: usually its inference form.
        phase: Whose graph.
        step: For schedules.
    """
    nodes = game.graphs[phase].nodes
    values: dict[int, Any] = {}
    replaced = {game.graphs[phase].add(Name(name), ("inputs",)): value for name, value in inputs.items()}

    def compute(index: int) -> Any:
        if index in replaced:
            return replaced[index]
        if index not in values:
            node = nodes[index]
            values[index] = _compute(game, node, [compute(i) for i in node.inputs], compute, networks, step)
        return values[index]

    return [compute(index) for index in expressions]


def _compute(
    game: Game,
    node: Node,
    arguments: list[Any],
    compute: Callable[[int], Any],
    networks: Mapping[str, Callable[..., Any]],
    step: int,
) -> Any:
    if node.kind == "network":
        return networks[node.name](*arguments, **{key: compute(index) for key, index in node.keywords})
    if node.kind == "operation":
        operation = game.operation(node)
        with _resting(operation):
            return getattr(operation, "live", operation)(*arguments)  # histories belong to the training
    if node.kind == "attribute":
        return read_attribute(arguments[0], node.name)
    if node.kind == "sequence":
        return arguments
    if node.kind == "schedule":
        return game.schedules[node.name](step)
    if node.kind == "literal":
        return node.value
    msg = f"no value is given for '{node.name}'"
    raise KeyError(msg)


@contextmanager
def _resting(operation: Callable[..., Any]) -> Iterator[None]:
    """An operation in eval mode; afterwards each part of it has the mode that it had, for a training that goes on."""
    modes = {part: part.training for part in operation.modules()} if isinstance(operation, nn.Module) else {}
    for part in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
