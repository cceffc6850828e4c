"""A colour image from lightness and chroma."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.cielab import AB_RANGE, rgb_of
from translate_plugins.operations.ranges import check_range


def lab_to_rgb(light: Tensor, chroma: Tensor, /, *, low: float = -1.0, high: float = 1.0) -> Tensor:
    """The colour image, in sRGB, of which `lightness` and `chroma` are the parts.

    Colours that sRGB does not have are clamped to the range, where the gradient is 0.

    Args:
        light: CIE L*, as `lightness` scales it.
        chroma: CIE a* and b*, as `chroma` scales them.
        low: Low end of the data's value range.
        high: High end of it.

    Shape:
        N x 1 x H x W and N x 2 x H x W -> N x 3 x H x W in [low, high].

    Raises:
        ComponentError: The parts do not fit together, or `low` is not below `high`.
    """
    check_range("lab_to_rgb", low, high)
    fits = light.ndim == 4 and chroma.ndim == 4 and light.shape[1] == 1 and chroma.shape[1] == 2
    if not fits or light.shape[2:] != chroma.shape[2:]:
        raise ComponentError(
            f"lab_to_rgb takes a lightness (1 channel) and a chroma (2 channels) of one size (got "
            f"{tuple(light.shape)} and {tuple(chroma.shape)})",
            fix="write lab_to_rgb(lightness(image), chroma(image))",
        )
    scale = 1 / (high - low)
    unit = rgb_of(100 * scale * (light - low), 2 * AB_RANGE * scale * (chroma - (low + high) / 2))
    return low + (high - low) * unit.clamp(0, 1)
