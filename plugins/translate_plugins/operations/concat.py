"""Concatenation on the channels."""

from __future__ import annotations

import torch
from torch import Tensor

from translate import marked
from translate.errors import ComponentError


@marked(keeps_values=True)
def concat(*values: Tensor) -> Tensor:
    """Join values on dimension 1: channels of images, entries of vectors.

    Beside an image a vector is repeated over its height and width, the conditional form of Radford et al. and of the
    conditional CycleGAN.

    Args:
        *values: Images N x C_i x H x W and vectors N x C_i, or vectors alone.

    Shape:
        N x (sum of C_i) x H x W, or N x (sum of C_i).

    Raises:
        ComponentError: Nothing to join, or images of different sizes.
    """
    images = [value for value in values if value.ndim == 4]
    # Compared one by one: sizes that the exporter traces as symbols cannot be put into a set.
    differ = any(image.shape[2:] != images[0].shape[2:] for image in images)
    if not values or differ or any(value.ndim not in {2, 4} for value in values):
        shapes = ", ".join("x".join(map(str, value.shape)) for value in values) or "nothing"
        raise ComponentError(
            f"concat joins images of one size, and vectors (got {shapes})",
            fix="bring images to one size with resize(...)",
        )
    if images:
        values = tuple(v if v.ndim == 4 else v[:, :, None, None].expand(-1, -1, *images[0].shape[2:]) for v in values)
    return torch.cat(values, dim=1)
