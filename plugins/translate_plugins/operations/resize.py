"""Resizing."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Final, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.operations.images import check_image

Method = Literal["bilinear", "bicubic", "area", "nearest"]
Side = Annotated[int, Field(ge=1)]
_FINEST: Final = 1000  # a scale is taken as the nearest fraction with a denominator up to this


def resize(
    image: Tensor,
    /,
    *,
    size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None = None,
    scale: Annotated[float, Field(gt=0)] | None = None,
    method: Method = "bilinear",
) -> Tensor:
    """Resize images; downscaling by `bilinear` and `bicubic` is antialiased.

    Values and gradients are the same in every run on a GPU too: where a gradient is wanted, the resampling is written
    as two matrix products, because the gradient of torch's own kernels is summed in a varying order there.

    Args:
        image: N x C x H x W.
        size: Height and width of the result: one number for a square, or a list of two.
        scale: Factor instead of a size; 0.5 halves height and width (rounded down).
        method: Resampling. `area` averages the pixels that a new one covers.

    Shape:
        N x C x H x W -> N x C x height x width.

    Raises:
        ComponentError: Neither or both of `size` and `scale` are given, `image` is no image, or nothing is left of it.
    """
    if (size is None) == (scale is None):
        raise ComponentError("resize needs either size or scale", fix="write resize(image, size=128) or scale=0.5")
    check_image("resize", image)
    height, width = _target(image, size, scale)
    if method == "nearest":
        return F.interpolate(image, size=(height, width), mode="nearest-exact")
    if not image.requires_grad or image.is_meta:
        return _resample(image, height, width, method)
    across = _matrix(image, image.shape[3], width, method)
    down = _matrix(image, image.shape[2], height, method)
    # Autocast would round the weights to half precision.
    with torch.autocast(image.device.type, enabled=False):
        return (down.T @ (image.float() @ across)).to(image.dtype)


def _target(image: Tensor, size: int | list[int] | None, scale: float | None) -> tuple[int, int]:
    if size is not None:
        return (size, size) if isinstance(size, int) else (size[0], size[1])
    # In whole numbers: an exporter cannot follow a side through a float, and the size would be fixed in the file.
    share = Fraction(scale or 0).limit_denominator(_FINEST)
    height, width = (side * share.numerator // share.denominator for side in image.shape[2:])
    if height < 1 or width < 1:
        raise ComponentError(f"resize by {scale} leaves nothing of {tuple(image.shape[2:])}", fix="use a larger scale")
    return height, width


def _resample(image: Tensor, height: int, width: int, method: Method) -> Tensor:
    if method == "area":
        return F.interpolate(image, size=(height, width), mode="area")
    return F.interpolate(image, size=(height, width), mode=method, antialias=True, align_corners=False)


def _matrix(like: Tensor, before: int, after: int, method: Method) -> Tensor:
    """Weights of each old pixel (row) in each new one (column): what resampling does to the unit vectors."""
    units = torch.eye(before, device=like.device)
    return _resample(units[None, None], before, after, method)[0, 0]
