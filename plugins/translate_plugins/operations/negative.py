"""The negative of an image."""

from __future__ import annotations

from torch import Tensor


def negative(image: Tensor, /, *, low: float = -1.0, high: float = 1.0) -> Tensor:
    """Black for white: low + high - image, a domain of CoGAN's digits (Liu & Tuzel 2016, arXiv 1606.07536, section 4).

    Args:
        image: Any image.
        low: Value of black; the low end of the data's value range.
        high: Value of full intensity.

    Shape:
        Any -> same.
    """
    return low + high - image
