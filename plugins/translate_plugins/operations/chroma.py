"""Chroma of an image."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.cielab import AB_RANGE, chroma_of
from translate_plugins.operations.ranges import check_range


def chroma(image: Tensor, /, *, low: float = -1.0, high: float = 1.0) -> Tensor:
    """CIE a* and b* of a colour image in sRGB (white point D65): what colourisation makes.

    a* and b* are divided by 110 and scaled to [low, high]: the middle of the range is grey. Every colour of sRGB lies
    within the range.

    Args:
        image: N x 3 x H x W.
        low: Value of black; the low end of the data's value range.
        high: Value of full intensity.

    Shape:
        N x 3 x H x W -> N x 2 x H x W.

    Raises:
        ComponentError: `image` is no colour image, or `low` is not below `high`.
    """
    check_range("chroma", low, high)
    if image.ndim != 4 or image.shape[1] != 3:
        raise ComponentError(f"chroma takes images of 3 channels (got {tuple(image.shape)})", fix="pass a colour image")
    return (low + high) / 2 + (high - low) / (2 * AB_RANGE) * chroma_of((image - low) / (high - low))
