"""Colours of images in [0, 1] as the metrics need them: grey or RGB, and luma."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


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
