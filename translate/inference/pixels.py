"""Whatever holds a picture, as uint8 arrays of the channels that a file takes: the rules of `translate.pictures`."""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
from PIL import Image, ImageOps

from translate.errors import DataError
from translate.pictures import as_channels, read_picture

Array = np.ndarray[Any, np.dtype[Any]]
Picture = Array | Image.Image | str | os.PathLike[str]

_FIX: Final = (
    "give uint8 or uint16, H x W, H x W x C or N x H x W x C with 1, 3 or 4 channels; or a Pillow image or a path"
)


def as_pictures(source: Picture, channels: int) -> tuple[Array, bool]:
    """Bring a picture, or several in one array, into the form that a file takes.

    Args:
        source: A path, a Pillow image, or an array H x W, H x W x C or N x H x W x C in uint8 or uint16.
        channels: What the file takes. From 1, 3 and 4 it is converted to; others must already be there.

    Returns:
        N x H x W x channels in uint8, and whether the source had the N.

    Raises:
        DataError: It is no picture, or cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        array = read_picture(source, channels=channels if channels in {1, 3, 4} else None)
    elif isinstance(source, Image.Image):
        array = from_pillow(source)
    else:
        array = np.asarray(source)
    if array.dtype == np.uint16:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype != np.uint8 or array.ndim not in {2, 3, 4} or array.size == 0:
        raise DataError(f"not a picture: {array.dtype} of shape {array.shape}", fix=_FIX)
    array = array[:, :, None] if array.ndim == 2 else array
    several = array.ndim == 4
    converted = [_converted(item, channels) for item in (array if several else array[None])]
    return np.stack(converted), several


def _converted(array: Array, channels: int) -> Array:
    found = array.shape[2]
    if found == channels:
        return array
    if channels not in {1, 3, 4} or found not in {1, 3, 4}:
        raise DataError(f"the file takes {channels} channels, but the picture has {found}", fix=_FIX)
    return as_channels(array, channels)


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
