"""Weights that are heavier at the border."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.operations.images import check_image


def border(
    patch: Tensor,
    /,
    *,
    width: Annotated[int, Field(ge=0)] = 4,
    weight: Annotated[float, Field(ge=0)] = 10.0,
) -> Tensor:
    """Weights for a patch that overlaps its context (Pathak et al. 2016, arXiv 1604.07379, section 3.2).

    `weight` in the outer `width` pixels on each side, where the patch must agree with what is around it, and 1 inside.
    For `{loss: l2, of: patch, to: hole, weights: border(hole)}`.

    Args:
        patch: N x C x H x W; only its shape counts.
        width: Width of the border in pixels; the overlap, 4 in the authors' code.
        weight: Weight of its pixels; 10 in the paper.

    Shape:
        N x C x H x W -> N x 1 x H x W.

    Raises:
        ComponentError: `patch` is no image, or the border leaves nothing inside.
    """
    check_image("border", patch)
    if 2 * width >= min(patch.shape[2:]):
        size = "x".join(map(str, patch.shape[2:]))
        raise ComponentError(f"a border of {width} leaves nothing inside {size}", fix="use a smaller width")
    down, across = (_outer(patch.shape[side], width, patch.device) for side in (2, 3))
    weights = torch.where(down[:, None] | across, weight, 1.0).to(patch.dtype)
    return weights.expand(patch.shape[0], 1, -1, -1)


def _outer(length: int, width: int, device: torch.device) -> Tensor:
    position = torch.arange(length, device=device)
    return (position < width) | (position >= length - width)
