"""Resizing of arrays, with antialiasing, by Pillow."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from translate.data.request import Array

_FILTERS: Final = {
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}
INTERPOLATIONS: Final = tuple(_FILTERS)


def as_unit(image: Array) -> Array:
    """An image in float32: uint8 and uint16 are divided by their largest value, floats are taken to be in [0, 1]."""
    if image.dtype == np.uint8 or image.dtype == np.uint16:
        return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    return image.astype(np.float32, copy=False)


def resize(image: Array, size: tuple[int, int], interpolation: str) -> Array:
    """Resize one image.

    Shrinking is antialiased by every interpolation but `nearest`. `area` averages when it shrinks; where it enlarges,
    its blocks are of no use to anyone and bicubic is taken.

    Args:
        image: H x W x C, uint8 or float32 in [0, 1] (uint16 becomes float32).
        size: New (height, width).
        interpolation: One of `INTERPOLATIONS`.

    Returns:
        height x width x C of the same type; floats stay in [0, 1].
    """
    if image.shape[:2] == size:
        return image
    if interpolation == "area" and size[0] >= image.shape[0] and size[1] >= image.shape[1]:
        interpolation = "bicubic"
    source = image if image.dtype == np.uint8 else as_unit(image)
    resample, (height, width) = _FILTERS[interpolation], size
    if source.dtype == np.uint8 and source.shape[2] == 3:
        return np.array(Image.fromarray(source).resize((width, height), resample))
    # Channel by channel: Pillow would take a fourth for alpha and premultiply by it, and knows no float colour.
    planes = [np.ascontiguousarray(source[:, :, i]) for i in range(source.shape[2])]
    resized = np.stack([np.asarray(Image.fromarray(p).resize((width, height), resample)) for p in planes], axis=2)
    return resized if resized.dtype == np.uint8 else np.clip(resized, 0.0, 1.0)
