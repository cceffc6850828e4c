"""What is measured beside the losses in logged iterations, from values that a discriminators' turn has anyway.

No network is called for it, nothing is drawn, and nothing waits for the device: the results stay there until they are
logged. For every term with the expressions `real` and `fake`:

- what its loss's method `measured` gives, such as the share of right answers (see `translate.signatures`);
- `diversity`: how much the generated values of a batch differ, as a multiple of how much the given ones do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn import functional as F

from translate.pipeline.trees import tensors

if TYPE_CHECKING:
    from translate.pipeline.compiling import Plan, PlannedTerm
    from translate.pipeline.graph import Node

LEAST: Final = 4
"""Examples that a batch must have for its diversity to mean something."""

_CELLS: Final = 8  # pictures are averaged down to 8 to 15 cells a side: what they show, not how sharp or noisy they are


@dataclass(slots=True, frozen=True)
class Comparison:
    """What a discriminator compares, before anything is done to it for the discriminator's sake.

    Attributes:
        generated: Nodes of what generators make: on the fake side, before pools, noise, augmentation and the like.
        given: Nodes of the real side that the fake side has not, outermost first; those of the same kind are compared.
    """

    generated: tuple[int, ...]
    given: tuple[int, ...]


def comparison(nodes: Sequence[Node], generators: frozenset[str], real: int, fake: int) -> Comparison:
    """What the two expressions of an adversarial term compare.

    Args:
        nodes: Of the term's graph.
        generators: Names of the networks that make things.
        real: Node of `real`.
        fake: Node of `fake`.
    """
    found = list(behind(nodes, generators, fake))
    known = {node.index for node in found}
    generated = tuple(node.index for node in found if _is_made(nodes, generators, node))
    given = tuple(
        node.index
        for node in behind(nodes, generators, real)
        if node.index not in known and node.kind in {"input", "operation", "attribute"}
    )
    return Comparison(generated, given)


def behind(nodes: Sequence[Node], generators: frozenset[str], index: int) -> Iterator[Node]:
    """A node and its history, the nearest first, up to what a generator made."""
    pending, seen = [index], set[int]()
    while pending:
        node = nodes[pending.pop(0)]
        if node.index in seen:
            continue
        seen.add(node.index)
        yield node
        if not _is_made(nodes, generators, node):
            pending += [*node.inputs, *(i for _, i in node.keywords)]


def _is_made(nodes: Sequence[Node], generators: frozenset[str], node: Node) -> bool:
    """Whether a generator made it: the result of its call, or a part of that."""
    while node.kind == "attribute":
        node = nodes[node.inputs[0]]
    return node.kind == "network" and node.name in generators


@torch.no_grad()
def measure(plan: Plan, values: Sequence[Any], empty: object) -> dict[str, torch.Tensor]:
    """All that is measured of a turn whose losses were just computed, by `TERM.NAME`: 0-d, on the device."""
    found: dict[str, torch.Tensor] = {}
    for term in plan.terms:
        if term.measured is not None:
            arguments = {name: values[slot] for name, slot in term.arguments}
            found |= {f"{term.name}.{name}": value for name, value in term.measured(**arguments).items()}
        ratio = _diversity(term, values, empty)
        if ratio is not None:
            found[f"{term.name}.diversity"] = ratio
    return found


def _diversity(term: PlannedTerm, values: Sequence[Any], empty: object) -> torch.Tensor | None:
    if term.compared is None:
        return None

    def computed(indices: Sequence[int]) -> Iterator[torch.Tensor]:
        for index in indices:
            either = [values[slot] for slot in (2 * index, 2 * index + 1) if values[slot] is not empty]
            yield from sorted(tensors(either[:1]), key=torch.Tensor.numel, reverse=True)[:1]

    given = list(computed(term.compared.given))
    for generated in computed(term.compared.generated):
        like = next((value for value in given if is_comparable(generated, value)), None)
        if like is not None:
            return spread(generated) / spread(like).clamp_min(torch.finfo(torch.float32).tiny)
    return None


def is_comparable(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two batches are pictures with the same channels, or vectors of the same size, and large enough."""
    return (
        first.ndim == second.ndim
        and first.ndim in {2, 4}
        and first.shape[1] == second.shape[1]
        and first.is_floating_point()
        and second.is_floating_point()
        and min(len(first), len(second)) >= LEAST
    )


def spread(batch: torch.Tensor) -> torch.Tensor:
    """How far the examples of a batch lie apart: the root of half the mean squared distance of two of them.

    That is the standard deviation over the batch (unbiased), its square averaged over all elements. Pictures are
    averaged down first, so that blurred or noisy ones are not taken for less or more diverse.

    Shape:
        N x C x H x W or N x size, N at least 2 -> 0-d float32.
    """
    batch = batch.detach().float()
    if batch.ndim == 4:
        height, width = (max(1, size // _CELLS) for size in batch.shape[2:])
        batch = F.avg_pool2d(batch, (height, width))
    return batch.var(0).mean().sqrt()


@torch.no_grad()
def gradient_norms(networks: Mapping[str, Sequence[torch.nn.Parameter]]) -> dict[str, torch.Tensor]:
    """The 2-norm of each network's gradient, by `NETWORK.gradient_norm`; networks without one are left out."""
    found = {}
    for name, parameters in networks.items():
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            found[f"{name}.gradient_norm"] = torch.nn.utils.get_total_norm(gradients)
    return found


class Movement:
    """How far a step moves each network's weights, from a sample of them that costs next to nothing.

    Args:
        networks: The parameters of each, as they are before the step.
    """

    _MOST = 4096  # elements of one parameter that are looked at: the first, so that no memory is needed for the rest

    def __init__(self, networks: Mapping[str, Sequence[torch.nn.Parameter]]) -> None:
        self._networks = {name: list(parameters) for name, parameters in networks.items() if parameters}
        self._before = {name: self._sample(parameters) for name, parameters in self._networks.items()}

    @torch.no_grad()
    def _sample(self, parameters: Sequence[torch.nn.Parameter]) -> torch.Tensor:
        return torch.cat([parameter.detach().reshape(-1)[: self._MOST].float() for parameter in parameters])

    @torch.no_grad()
    def values(self) -> dict[str, torch.Tensor]:
        """The change since then, as a share of what the weights were, by `NETWORK.update`: norm over norm.

        Weights that are 0 at first count as if they were 0.01.
        """
        found = {}
        for name, before in self._before.items():
            change = torch.linalg.vector_norm(self._sample(self._networks[name]) - before)
            least = 0.01 * max(1, before.numel()) ** 0.5
            found[f"{name}.update"] = change / torch.linalg.vector_norm(before).clamp_min(least)
        return found
