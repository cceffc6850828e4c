"""Mean and spread of codes, beside those of a prior."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from translate_plugins.metrics.checks import at_least_two
from translate_plugins.metrics.vectors import vectors_of


class Moments:
    """How far the codes of a set are from a prior in mean and spread, dimension by dimension; 0 is best.

    `mean` is the largest difference of means over the dimensions, in the units of the code; `std` the largest relative
    difference of standard deviations, |std(of) / std(to) - 1|. Both are 0 where the codes as a whole have the moments
    of the prior, as those of an adversarial autoencoder must (Makhzani et al. 2015, arXiv 1511.05644, equation 1), and
    say nothing about the form in between: see the metric `probe`. Samples of the prior differ among themselves: of n
    normal ones, means by about std / sqrt(n).
    """

    def __init__(self) -> None:
        self._of: list[Tensor] = []
        self._to: list[Tensor] = []

    def update(self, of: Tensor, to: Tensor) -> None:
        """Add a batch.

        Args:
            of: Codes, N x size.
            to: Samples of the prior, of the same size.

        Raises:
            ComponentError: They are no vectors of one size.
        """
        first, second = vectors_of("moments", of, to)
        self._of.append(first.double().cpu())
        self._to.append(second.double().cpu())

    def compute(self) -> Mapping[str, float]:
        """`mean` and `std`.

        Raises:
            ComponentError: Fewer than two examples were seen.
        """
        at_least_two("moments", sum(map(len, self._of)))
        of, to = torch.cat(self._of), torch.cat(self._to)
        spread = of.std(0) / to.std(0).clamp_min(torch.finfo(torch.float64).tiny)
        return {"mean": float((of.mean(0) - to.mean(0)).abs().max()), "std": float((spread - 1).abs().max())}
