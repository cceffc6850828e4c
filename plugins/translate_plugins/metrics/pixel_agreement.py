"""Share of pixels on which two black and white pictures agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field
from torch import Tensor

from translate_plugins.metrics.checks import images_of, not_empty, same_shape
from translate_plugins.metrics.shuffling import wrong_partners

Bits = np.ndarray[Any, np.dtype[np.uint8]]

_ONES: Final = np.array([byte.bit_count() for byte in range(256)], np.int64)
_ROWS: Final = 256  # examples that are compared at once


class PixelAgreement:
    """Pixel agreement ratio of pairs (PAR; Liu and Tuzel 2016, arXiv 1606.07536), beside its control.

    Both images are made black and white at a threshold; `agreement` is the share of values that are then equal. For a
    pair of domains, map one image of the pair as the task does and compare it with the other. The paper does not say
    its tolerance; 0.5 is ours.

    Mostly dark pictures agree whatever they show: two unrelated digits in 80 to 83 % of their pixels, and a digit with
    an empty picture in 87 %. So `shuffled` is the same with wrong partners (a fixed random permutation that leaves
    nobody with his own), and `margin` is the difference, example by example: what the pairing itself is worth.

    Args:
        threshold: Values above it are white, in [0, 1].
    """

    def __init__(self, *, threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5) -> None:
        self._threshold = threshold
        self._values = 0
        self._of: list[Bits] = []
        self._to: list[Bits] = []

    def update(self, of: Any, to: Any) -> None:
        """Add a batch; it is kept, one bit a value.

        Args:
            of: Images, N x C x H x W in [0, 1], or lists of them.
            to: Their partners, same shape.

        Raises:
            ComponentError: The shapes differ.
        """
        of, to = images_of("pixel_agreement", of), images_of("pixel_agreement", to)
        same_shape("pixel_agreement", of, to)
        self._values = of[0].numel()
        self._of.append(self._bits(of))
        self._to.append(self._bits(to))

    def compute(self) -> Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]:
        """`agreement`, `shuffled` and `margin` of each example; the last two from two examples on.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("pixel_agreement", len(self._of))
        of, to = np.concatenate(self._of), np.concatenate(self._to)
        agreement = self._agreement(of, to)
        if len(of) < 2:
            return {"agreement": agreement}
        shuffled = self._agreement(of, to[wrong_partners(len(to))])
        return {"agreement": agreement, "shuffled": shuffled, "margin": agreement - shuffled}

    def _bits(self, images: Tensor) -> Bits:
        return np.packbits((images > self._threshold).flatten(1).cpu().numpy(), axis=1)

    def _agreement(self, of: Bits, to: Bits) -> np.ndarray[Any, np.dtype[np.float64]]:
        different = [
            _ONES[of[first : first + _ROWS] ^ to[first : first + _ROWS]].sum(1) for first in range(0, len(of), _ROWS)
        ]
        return 1 - np.concatenate(different) / self._values
