"""Channels and depths of pictures as arrays, and what can be converted into what."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from translate.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]

CONVERTIBLE: Final = frozenset({1, 3, 4})
DTYPES: Final = (np.uint8, np.uint16, np.float32)
_LUMA: Final = (19595, 38470, 7471)  # of 2^16, as Pillow has it


def check_channels(channels: int | None) -> None:
    """Refuse what is no number of channels.

    Raises:
        ValueError: It is below 1.
    """
    if channels is not None and channels < 1:
        msg = f"channels must be at least 1 (got {channels})"
        raise ValueError(msg)


def convertible(found: int, wanted: int) -> bool:
    """Whether there is a rule from one number of channels to another; see `as_channels`."""
    return found == wanted or {found, wanted} <= CONVERTIBLE


def as_channels(array: Array, channels: int | None, *, where: str | None = None) -> Array:
    """Bring an H x W x C array to a number of channels.

    Between 1, 3 and 4 channels there is a rule; from four, the alpha is composited over white first. Any other number
    must be what the array has.

    Args:
        array: In uint8, uint16, or float32 in [0, 1].
        channels: The number that is wanted; None = as it is.
        where: The file, for the error.

    Raises:
        DataError: There is no conversion between the two numbers.
        ValueError: `channels` is below 1.
    """
    check_channels(channels)
    found = array.shape[2]
    if channels is None or found == channels:
        return array
    if not convertible(found, channels):
        what = f"the picture has {found} channel{'s' if found != 1 else ''}, and {channels} are wanted"
        fix = "only 1, 3 and 4 channels are converted into each other; give files that have as many as are wanted"
        raise DataError(what, where=where, fix=fix)
    if found == 4:
        return as_channels(over_white(array), channels)
    if channels == 4:
        colour = as_channels(array, 3)
        return np.concatenate([colour, np.full_like(colour[:, :, :1], white(array))], axis=2)
    if channels == 3:
        return np.repeat(array, 3, axis=2)
    return _luma(array)


def as_depth(array: Array, dtype: np.dtype[Any] | type[Any] | str) -> Array:
    """Bring a picture to 8 or 16 bits: `v * 257` up, the nearest level down, so that up and down again changes nothing.

    Args:
        array: In uint8, uint16, or float32 in [0, 1] (rounded to the nearest level).
        dtype: uint8 or uint16.
    """
    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    if array.dtype == np.float32:
        return np.rint(array.astype(np.float64) * np.iinfo(wanted).max).astype(wanted)
    if wanted == np.uint16:
        return array.astype(np.uint16) * np.uint16(257)
    return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)


def white(array: Array) -> int | float:
    """The value of full intensity."""
    return 1.0 if array.dtype == np.float32 else int(np.iinfo(array.dtype).max)


def over_white(array: Array) -> Array:
    """Composite H x W x 4 over white, rounded to the nearest level."""
    if array.dtype == np.float32:
        flat: Array = array[:, :, :3] * array[:, :, 3:] + (1 - array[:, :, 3:])
        return flat.clip(0, 1)
    full = np.uint32(white(array))
    wide = array.astype(np.uint32)  # 65535 * 65535 + 65535 / 2 is below 2^32
    colour, alpha = wide[:, :, :3], wide[:, :, 3:]
    return ((colour * alpha + full * (full - alpha) + full // 2) // full).astype(array.dtype)


def _luma(array: Array) -> Array:
    if array.dtype == np.float32:
        weighed = sum(array[:, :, i].astype(np.float64) * weight for i, weight in enumerate(_LUMA))
        return np.asarray(weighed / 65536).astype(np.float32)[:, :, None]
    red, green, blue = (array[:, :, i].astype(np.uint32) * np.uint32(weight) for i, weight in enumerate(_LUMA))
    grey: Array = (red + green + blue + np.uint32(0x8000)) >> np.uint32(16)
    return grey.astype(array.dtype)[:, :, None]
