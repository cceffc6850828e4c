"""Rotation by right angles."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError


def rotate(image: Tensor, /, *, turns: int = 1) -> Tensor:
    """Rotate images counter-clockwise by quarter turns, without resampling.

    Args:
        image: N x C x H x W.
        turns: Number of quarter turns; negative ones are clockwise.

    Shape:
        N x C x H x W -> N x C x W x H for an odd number of turns, else the same.

    Raises:
        ComponentError: `image` is no image.
    """
    if image.ndim != 4:
        raise ComponentError(f"rotate takes images (got a value of {image.ndim - 1} dimensions)", fix="pass an image")
    return torch.rot90(image, turns, (2, 3))
