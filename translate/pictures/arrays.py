"""Pictures as `.npy` files: any number of channels, without pickle.

The format is numpy's own (numpy.lib.format), and its header is read here, so that nothing but the three types below can
be in it, and size and length are checked before the data is touched.
"""

from __future__ import annotations

import ast
import io
import math
import os
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np

from translate.errors import DataError
from translate.pictures.channels import DTYPES, Array
from translate.pictures.opening import too_large

_MAGIC: Final = b"\x93NUMPY"
_LONGEST_HEADER: Final = 1000  # numpy writes 118 bytes for such arrays
_MOST_VALUES: Final = 2**28  # four channels of the largest picture, or more of a smaller one; a sparse file can be long
_TYPES: Final = frozenset({"|u1", "<u1", ">u1", "<u2", ">u2", "<f4", ">f4"})
_FIX: Final = "save H x W x C in uint8, uint16, or float32 with values in [0, 1]: numpy.save(file, array)"


class Header(NamedTuple):
    """What an array's header says.

    Attributes:
        shape: Height, width, channels.
        dtype: As stored, in its byte order.
        fortran: Whether the first dimension varies fastest.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    fortran: bool


def is_array(file: BinaryIO) -> bool:
    """Whether a file begins as an array does; leaves it at its start."""
    begins = file.read(len(_MAGIC)) == _MAGIC
    file.seek(0)
    return begins


def read_header(file: BinaryIO, where: str, max_pixels: int) -> Header:
    """Read and check the header; leaves the file where the data begins.

    Raises:
        DataError: It is damaged, of another type or shape, too large, or the file is shorter than it says.
    """
    described = _described(file, where)
    shape, name, fortran = (described.get(key) for key in ("shape", "descr", "fortran_order"))
    if not isinstance(name, str) or name not in _TYPES:
        raise DataError(f"the array is of type {_brief(name)}", where=where, fix=_FIX)
    if type(fortran) is not bool:
        raise _damaged(where)
    sides = shape if isinstance(shape, tuple) and all(type(side) is int for side in shape) else ()
    sides = (*sides, 1) if len(sides) == 2 else sides
    if len(sides) != 3 or min(sides) < 1:
        raise DataError(f"the array has the shape {_brief(shape)}", where=where, fix=_FIX)
    if sides[0] * sides[1] > max_pixels:
        raise too_large(where, (sides[1], sides[0]), max_pixels)
    limit = max(_MOST_VALUES, 4 * max_pixels)
    if math.prod(sides) > limit:
        what = f"the array is too large ({_brief(shape)})"
        raise DataError(what, where=where, fix=f"make it smaller; the limit is {limit} values")
    header = Header((sides[0], sides[1], sides[2]), np.dtype(name), fortran)
    needed = sides[0] * sides[1] * sides[2] * header.dtype.itemsize
    held = os.fstat(file.fileno()).st_size - file.tell()
    if held < needed:
        what = f"the array is cut off: {_brief(shape)} of {header.dtype} takes {needed} bytes, and there are {held}"
        raise DataError(what, where=where, fix="replace or remove the file")
    return header


def read_array(file: BinaryIO, where: str, max_pixels: int) -> Array:
    """Read an array, H x W x C, in this machine's byte order.

    Raises:
        DataError: As `read_header`; or floats lie outside [0, 1].
    """
    header = read_header(file, where, max_pixels)
    height, width, channels = header.shape
    flat = np.fromfile(file, header.dtype, count=height * width * channels)
    array = flat.reshape(header.shape, order="F" if header.fortran else "C")
    array = np.ascontiguousarray(array, dtype=header.dtype.newbyteorder("="))
    if array.dtype == np.float32:
        low, high = float(array.min()), float(array.max())
        if not (low >= 0.0 and high <= 1.0):  # also where one is not a number
            what = f"the values of the array lie in {low:g} to {high:g}, and floats must lie in [0, 1]"
            raise DataError(what, where=where, fix="scale them so that 0 is black and 1 is white")
    return array


def encode_array(array: Array) -> bytes:
    """The content of a file, of any array of numbers; as a picture it is read where `is_writable` says so."""
    content = io.BytesIO()
    np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return content.getvalue()


def is_writable(array: Array) -> bool:
    """Whether such a file can hold an array."""
    return array.ndim == 3 and array.dtype in DTYPES and array.size > 0


def _described(file: BinaryIO, where: str) -> dict[str, Any]:
    """The header's mapping."""
    start = file.read(len(_MAGIC) + 2)
    width = {1: 2, 2: 4, 3: 4}.get(start[-2]) if len(start) == len(_MAGIC) + 2 else None
    if width is None:
        raise _damaged(where)
    length = int.from_bytes(file.read(width), "little")
    text = file.read(length) if length <= _LONGEST_HEADER else b""
    try:
        described = ast.literal_eval(text.decode("latin-1").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as exc:
        raise _damaged(where) from exc
    if not isinstance(described, dict):
        raise _damaged(where)
    return described


def _damaged(where: str) -> DataError:
    return DataError("the header of the array is damaged", where=where, fix=_FIX)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
