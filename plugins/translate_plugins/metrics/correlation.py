"""Correlation of two pictures, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import images_of, not_empty
from translate_plugins.metrics.colour import as_rgb, luma
from translate_plugins.metrics.shuffling import wrong_partners
from translate_plugins.metrics.vectors import standardised

_ROWS: Final = 64  # examples that are compared at once


class Correlation:
    """Pearson correlation of the values of two images, beside its control.

    `paired` is the correlation of each pair; `shuffled` the same with wrong partners (a fixed random permutation that
    leaves nobody with his own), which is what pictures of such a set have in common anyway; `margin` the difference,
    example by example. For two domains without a common scale, such as colour and depth, compare edges. A picture of
    one value has correlation 0 with everything. Where only one side has colours, they are read as luma.
    """

    def __init__(self) -> None:
        self._paired: list[Tensor] = []
        self._of: list[Tensor] = []
        self._to: list[Tensor] = []

    def update(self, of: Any, to: Any) -> None:
        """Add a batch; it is kept, two bytes a value.

        Args:
            of: Images, N x C x H x W in [0, 1], or lists of them.
            to: Their partners; of the same size, and of the same channels or one of both grey.

        Raises:
            ComponentError: The shapes do not fit.
        """
        of, to = images_of("correlation", of), images_of("correlation", to)
        grey = of.shape[1] != to.shape[1] and 1 in {of.shape[1], to.shape[1]}
        if len(of) != len(to) or of.shape[2:] != to.shape[2:] or (of.shape[1] != to.shape[1] and not grey):
            raise ComponentError(
                f"correlation compares images of one size (got {tuple(of.shape)} and {tuple(to.shape)})",
                fix="name two image fields of the same size, and of the same channels or one of both grey",
            )
        first, second = (standardised(luma(as_rgb("correlation", each)) if grey else each) for each in (of, to))
        self._paired.append((first * second).sum(1).cpu())
        # Values of about 1, for which half precision has three digits; correlations of long vectors have more.
        scale = first.shape[1] ** 0.5
        self._of.append((first * scale).half().cpu())
        self._to.append((second * scale).half().cpu())

    def compute(self) -> Mapping[str, Tensor]:
        """`paired`, `shuffled` and `margin` of each example, in [-1, 1]; the last two from two examples on.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("correlation", len(self._paired))
        paired, of, to = torch.cat(self._paired), torch.cat(self._of), torch.cat(self._to)
        if len(of) < 2:
            return {"paired": paired}
        partners = torch.from_numpy(wrong_partners(len(of)))
        parts = zip(torch.split(of, _ROWS), torch.split(partners, _ROWS), strict=True)
        shuffled = torch.cat([(first.double() * to[others].double()).mean(1) for first, others in parts])
        return {"paired": paired, "shuffled": shuffled, "margin": paired - shuffled}
