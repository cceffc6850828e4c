"""Lightness of an image."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.cielab import lightness_of, luminance
from translate_plugins.operations.ranges import check_range


def lightness(image: Tensor, /, *, low: float = -1.0, high: float = 1.0) -> Tensor:
    """CIE L* of a colour or grey image in sRGB (white point D65): the input of colourisation.

    L* in [0, 100] is scaled to [low, high], as the image's values are.

    Args:
        image: N x 3 x H x W or N x 1 x H x W.
        low: Value of black; the low end of the data's value range.
        high: Value of full intensity.

    Shape:
        N x 3 x H x W or N x 1 x H x W -> N x 1 x H x W.

    Raises:
        ComponentError: `image` is neither, or `low` is not below `high`.
    """
    check_range("lightness", low, high)
    if image.ndim != 4 or image.shape[1] not in {1, 3}:
        raise ComponentError(
            f"lightness takes images of 3 channels or 1 (got {tuple(image.shape)})", fix="pass a colour or grey image"
        )
    return low + (high - low) / 100 * lightness_of(luminance((image - low) / (high - low)))
