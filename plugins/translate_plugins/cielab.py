"""CIE L*a*b* and sRGB, for the operations of colourisation and the metrics of colour.

sRGB of IEC 61966-2-1 with its white point D65; CIE 15:2004, section 8.2.1. The white is the sum of the primaries, so
that greys have no chroma at all. Every power has a base that is kept away from 0, so that gradients are finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

AB_RANGE: Final = 110.0
"""a* and b* that become the ends of the value range; within sRGB they lie in [-86.2, 98.2] and [-107.9, 94.5]."""

_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_TO_RGB: Final = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
_WHITE: Final = tuple(sum(row) for row in _TO_XYZ)
_EDGE: Final = 6 / 29


def luminance(unit: Tensor) -> Tensor:
    """Y relative to white of sRGB (or grey) values in [0, 1]; N x 1 x H x W."""
    linear = _to_linear(unit)
    return linear if unit.shape[1] == 1 else _weighted(linear, _TO_XYZ[1]) / _WHITE[1]


def lightness_of(y: Tensor) -> Tensor:
    """L* in [0, 100] of a relative luminance."""
    return 116 * _compress(y) - 16


def chroma_of(unit: Tensor) -> Tensor:
    """a* and b* of sRGB values in [0, 1]; N x 2 x H x W."""
    linear = _to_linear(unit)
    x, y, z = (_compress(_weighted(linear, row) / white) for row, white in zip(_TO_XYZ, _WHITE, strict=True))
    return torch.cat([500 * (x - y), 200 * (y - z)], dim=1)


def lab_of(unit: Tensor) -> Tensor:
    """L* in [0, 100], a* and b* of sRGB values in [0, 1]; N x 3 x H x W."""
    return torch.cat([lightness_of(luminance(unit)), chroma_of(unit)], dim=1)


def rgb_of(lightness: Tensor, chroma: Tensor) -> Tensor:
    """SRGB values of L* and a*, b*; outside of [0, 1] where no sRGB colour is meant."""
    y = (lightness + 16) / 116
    parts = (y + chroma[:, :1] / 500, y, y - chroma[:, 1:] / 200)
    xyz = torch.cat([white * _expand(part) for part, white in zip(parts, _WHITE, strict=True)], dim=1)
    return _to_gamma(torch.cat([_weighted(xyz, row) for row in _TO_RGB], dim=1))


def _weighted(values: Tensor, weights: Sequence[float]) -> Tensor:
    # Numbers, not a matrix of weights: such a tensor would be copied to the device in every call.
    return sum((values[:, i : i + 1] * w for i, w in enumerate(weights)), torch.zeros_like(values[:, :1]))


def _to_linear(unit: Tensor) -> Tensor:
    bright = ((unit.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(unit <= 0.04045, unit / 12.92, bright)


def _to_gamma(linear: Tensor) -> Tensor:
    bright = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, bright)


def _compress(value: Tensor) -> Tensor:
    root = value.clamp(min=_EDGE**3) ** (1 / 3)
    return torch.where(value > _EDGE**3, root, value / (3 * _EDGE**2) + 4 / 29)


def _expand(value: Tensor) -> Tensor:
    return torch.where(value > _EDGE, value**3, 3 * _EDGE**2 * (value - 4 / 29))
