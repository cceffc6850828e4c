"""Rotation by right angles."""

from __future__ import annotations

import torch
from torch import Tensor

from translate import marked
from translate_plugins.operations.images import check_image


@marked(keeps_values=True)
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
    check_image("rotate", image)
    return torch.rot90(image, turns, (2, 3))
