"""Colours of images in [0, 1] as the metrics need them: luma and CIELAB."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


def as_rgb(metric: str, image: Tensor) -> Tensor:
    """N x 3 x H x W float32: colour as it is, grey repeated.

    Raises:
        ComponentError: The image has another number of channels than 1 or 3.
    """
    channels = image.shape[1]
    if channels not in {1, 3}:
        raise ComponentError(f"{metric} needs grey or RGB images (got {channels} channels)", fix="name such a field")
    return image.float().expand(-1, 3, -1, -1)


def luma(rgb: Tensor) -> Tensor:
    """Brightness as seen, 0.299 R + 0.587 G + 0.114 B of the values as stored; N x H x W."""
    return torch.einsum("nchw,c->nhw", rgb, rgb.new_tensor(_LUMA))


def lab(rgb: Tensor) -> Tensor:
    """CIELAB under D65 from sRGB (IEC 61966-2-1): L in [0, 100], a and b about [-108, 99]; N x 3 x H x W."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = rgb.new_tensor(_XYZ)
    # Rows divided by their sums: relative to the white point, which is what RGB (1, 1, 1) gives.
    t = torch.einsum("kc,nchw->nkhw", matrix / matrix.sum(1, keepdim=True), linear)
    f = torch.where(t > (6 / 29) ** 3, t.clamp(min=1e-6) ** (1 / 3), t * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
