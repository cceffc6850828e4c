"""Agreement of colour distributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from translate_plugins.cielab import lab_of
from translate_plugins.metrics.checks import not_empty, same_shape
from translate_plugins.metrics.colour import as_rgb

_RANGES: Final = {"L": (0.0, 100.0), "a": (-128.0, 128.0), "b": (-128.0, 128.0)}


class HistogramIntersection:
    """Intersection of the colour histograms of outputs and targets (Isola et al. 2016, arXiv 1611.07004, figure 7).

    One histogram for each of L, a and b of CIELAB (sRGB, D65) over all pixels of the whole set; the intersection is the
    sum over bins of the smaller share, 1 where the distributions agree and 0 where they share nothing. Bins cover [0,
    100] for L and [-128, 128] for a and b; the last one is cut short where the width does not divide the range. The
    paper does not say its bins: compare numbers only at one width.

    Args:
        bin_width: Width of a bin in CIELAB units.
    """

    def __init__(self, *, bin_width: Annotated[float, Field(ge=0.1, le=50)] = 1.0) -> None:
        self.bin_width = bin_width
        self._examples = 0
        self._counts: dict[str, tuple[Tensor, Tensor]] = {}
        for channel, (low, high) in _RANGES.items():
            bins = int(-(-(high - low) // bin_width))
            self._counts[channel] = (torch.zeros(bins, dtype=torch.int64), torch.zeros(bins, dtype=torch.int64))

    def update(self, of: Tensor, to: Tensor) -> None:
        """Count the pixels of a batch.

        Args:
            of: Outputs, N x C x H x W in [0, 1], grey or RGB.
            to: Targets, same shape.

        Raises:
            ComponentError: The shapes differ, or there are neither 1 nor 3 channels.
        """
        same_shape("histogram_intersection", of, to)
        self._examples += len(of)
        for side, images in enumerate((of, to)):
            values = lab_of(as_rgb("histogram_intersection", images)).unbind(1)
            for (channel, (low, _)), plane in zip(_RANGES.items(), values, strict=True):
                counts = self._counts[channel][side]
                bins = ((plane.flatten() - low) / self.bin_width).long().clamp(0, len(counts) - 1)
                counts += torch.bincount(bins, minlength=len(counts)).cpu()

    def compute(self) -> Mapping[str, float]:
        """The intersections `L`, `a` and `b`, each in [0, 1].

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("histogram_intersection", self._examples)
        # Both sides have as many pixels, so shares need no division before the sum, and equal sets give exactly 1.
        return {name: int(torch.minimum(of, to).sum()) / int(to.sum()) for name, (of, to) in self._counts.items()}
