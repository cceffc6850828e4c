"""Whatever holds a picture, in the channels and the depth that a file takes: the rules of `translate.pictures`."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image, ImageOps

from translate.errors import DataError
from translate.pictures import Array, as_channels, as_depth, read_picture

Picture = Array | Image.Image | str | os.PathLike[str]

_FIX = (
    "give H x W, H x W x C or N x H x W x C in uint8, uint16, or float32 with values in [0, 1];"
    " or a Pillow image or a path"
)


def as_pictures(source: Picture, channels: int, dtype: str = "uint8") -> tuple[Array, bool]:
    """Bring a picture, or several in one array, into the form that a file takes.

    Args:
        source: A path, a Pillow image, or an array H x W, H x W x C or N x H x W x C in uint8, uint16, or float32 in
            [0, 1].
        channels: What the file takes. From 1, 3 and 4 it is converted to; others must already be there.
        dtype: uint8 or uint16. Eight bits become 16 by `v * 257`, 16 become the nearest of 8.

    Returns:
        N x H x W x channels, and whether the source had the N.

    Raises:
        DataError: It is no picture, or cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        array = read_picture(source, channels=channels)
    elif isinstance(source, Image.Image):
        array = from_pillow(source)
    else:
        array = np.asarray(source)
    if array.dtype not in (np.uint8, np.uint16, np.float32) or array.ndim not in {2, 3, 4} or array.size == 0:
        raise DataError(f"not a picture: {array.dtype} of shape {array.shape}", fix=_FIX)
    if array.dtype == np.float32 and not (array.min() >= 0 and array.max() <= 1):  # also where one is not a number
        raise DataError(f"floats of a picture must lie in [0, 1] (got {array.min():g} to {array.max():g})", fix=_FIX)
    array = array[:, :, None] if array.ndim == 2 else array
    several = array.ndim == 4
    converted = [as_channels(item, channels) for item in (array if several else array[None])]
    return as_depth(np.stack(converted), dtype), several


def from_pillow(image: Image.Image) -> Array:
    """A Pillow image as H x W x 1, 3 or 4, orientation applied; alpha is kept for `as_channels` to composite."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)[:, :, None]
    if image.mode in {"I", "F"}:
        raise DataError(f"pictures of mode {image.mode} do not say which value is white", fix="convert it to L or RGB")
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        return np.asarray(image.convert("RGBA"))
    array = np.asarray(image.convert("L" if image.mode in {"1", "L"} else "RGB"))
    return array[:, :, None] if array.ndim == 2 else array
