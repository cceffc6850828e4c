"""A small network that tries to tell codes from samples of a prior."""

from __future__ import annotations

from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.metrics.checks import not_empty
from translate_plugins.metrics.classifier_network import repeatable
from translate_plugins.metrics.vectors import vectors_of

_WIDTH: Final = 64


class Probe:
    """How well a small network tells codes from samples of a prior: the area under its ROC curve.

    0.5 where it sees no difference, 1 where it always does: the share of pairs (a code, a sample) in which the code
    gets the larger score, ties counted half (Mann & Whitney 1947). The probe is dense 64 - ReLU - dense 1, trained with
    Adam and cross-entropy on codes and samples of the training split, whose means and spreads are taken away first, and
    asked about those of the split that is measured. No paper: a check of what an adversarial autoencoder promises
    (Makhzani et al. 2015, arXiv 1511.05644), that its codes as a whole follow the prior.

    Args:
        epochs: Passes over the training examples.
        batch_size: Codes of a step, and as many samples.
        lr: Adam's learning rate.
        fit_count: Training examples, at most; taken at even distances.
        seed: Seed of the weights and of the order.
    """

    def __init__(
        self,
        *,
        epochs: Annotated[int, Field(ge=1)] = 10,
        batch_size: Annotated[int, Field(ge=1)] = 128,
        lr: Annotated[float, Field(gt=0)] = 5e-3,
        fit_count: Annotated[int, Field(ge=1)] = 20_000,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self._epochs, self._batch_size, self._lr, self._seed = epochs, batch_size, lr, seed
        self._examples: list[tuple[Tensor, Tensor]] = []
        self._network: nn.Sequential | None = None
        self._centre = self._spread = torch.empty(0)
        self._scores: list[tuple[Tensor, Tensor]] = []

    def fit(self, of: Tensor, to: Tensor) -> None:
        """Keep a batch of training examples.

        Args:
            of: Codes, N x size.
            to: Samples of the prior, of the same size.

        Raises:
            ComponentError: They are no vectors of one size.
        """
        first, second = vectors_of("probe", of.detach(), to.detach())
        self._examples.append((first.float(), second.float()))

    def fitted(self) -> None:
        """Train on what was kept.

        Raises:
            ComponentError: There is none.
        """
        not_empty("probe", len(self._examples))
        of, to = (torch.cat(values) for values in zip(*self._examples, strict=True))
        self._examples = []
        both = torch.cat([of, to])
        self._centre, self._spread = both.mean(0), both.std(0, correction=0).clamp_min(1e-6)
        self._network = _small_network(of.shape[1], self._seed).to(of.device)
        self._train(self._network, (of - self._centre) / self._spread, (to - self._centre) / self._spread)

    def update(self, of: Tensor, to: Tensor) -> None:
        """Score a batch.

        Args:
            of: Codes, N x size.
            to: Samples of the prior.

        Raises:
            ComponentError: They are no vectors of one size, or not of the size that was learned.
        """
        first, second = vectors_of("probe", of, to)
        network = self._network
        if network is None or first.shape[1] != len(self._centre):
            learned = "nothing" if network is None else f"vectors of {len(self._centre)}"
            raise ComponentError(
                f"probe has learned {learned} (got vectors of {first.shape[1]})",
                fix="name a code and a prior that the training split has too",
            )
        with torch.no_grad(), repeatable():
            parts = [network((part.float() - self._centre) / self._spread)[:, 0] for part in (first, second)]
        self._scores.append((parts[0].double().cpu(), parts[1].double().cpu()))

    def compute(self) -> float:
        """The area, in [0, 1].

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("probe", len(self._scores))
        of, to = (torch.cat(values) for values in zip(*self._scores, strict=True))
        ordered = to.sort().values
        below = torch.searchsorted(ordered, of)
        not_above = torch.searchsorted(ordered, of, right=True)
        return float((below + not_above).double().mean() / (2 * len(to)))

    def _train(self, network: nn.Sequential, of: Tensor, to: Tensor) -> None:
        optimizer = torch.optim.Adam(network.parameters(), self._lr)
        order = torch.Generator().manual_seed(self._seed)
        with torch.enable_grad(), repeatable():
            for _ in range(self._epochs):
                permuted = torch.randperm(len(of), generator=order).to(of.device)
                for indices in torch.split(permuted, self._batch_size):
                    scores = network(torch.cat([of[indices], to[indices]]))[:, 0]
                    loss = F.softplus(-scores[: len(indices)]).mean() + F.softplus(scores[len(indices) :]).mean()
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
        network.requires_grad_(requires_grad=False)


def _small_network(size: int, seed: int) -> nn.Sequential:
    """Dense, ReLU, dense, with weights drawn as torch does it, but from a generator of their own."""
    with torch.device("meta"):  # torch's own start would take numbers from the global generator
        network = nn.Sequential(nn.Linear(size, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1))
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in network:
            limit = layer.weight.shape[1] ** -0.5 if isinstance(layer, nn.Linear) else 0.0
            for parameter in layer.parameters():
                parameter.uniform_(-limit, limit, generator=generator)
    return network
