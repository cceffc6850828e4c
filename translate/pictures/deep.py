"""Colour of 16 bits per channel, of which Pillow keeps the upper byte: read and written in full depth.

Reading. Pillow's decoders take one byte of each pair: the upper one, by the byte order that they are told. Told the
other order they take the lower one. So the file is decoded twice, and no decoder of our own looks at foreign bytes.

Writing. A PNG (ISO/IEC 15948) of one IDAT chunk, whose rows are all filtered by `Up`: with the row above subtracted
they compress about as well as with a choice for each row.
"""

from __future__ import annotations

import re
import struct
import sys
import zlib
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image, ImageOps

from translate.pictures.channels import Array

_RAW: Final = re.compile(r"(RGBA?;16)([BLN])")
_OTHER: Final = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_COLOUR_TYPES: Final = {1: 0, 3: 2, 4: 6}
_UP: Final = 2


def is_deep_colour(image: Image.Image) -> bool:
    """Whether an opened (not yet loaded) PNG or TIFF holds RGB or RGBA of 16 bits per channel, pixel by pixel."""
    tiles = getattr(image, "tile", [])
    return bool(tiles) and all(_RAW.fullmatch(_raw_mode(tile)) for tile in tiles)


def deep_colour(image: Image.Image, file: BinaryIO) -> Array:
    """Decode what `is_deep_colour` found, upright.

    Args:
        image: The opened picture.
        file: Its file.

    Shape:
        H x W x 3, or 4 with alpha; a colour that is declared transparent has alpha 0. uint16.
    """
    transparent = image.info.get("transparency")
    colour = _half(image, other_byte=False) << np.uint16(8)
    file.seek(0)
    with Image.open(file, formats=[str(image.format)]) as again:
        colour |= _half(again, other_byte=True)
    if not isinstance(transparent, tuple):
        return colour
    clear = (colour == np.array(transparent, np.uint16)).all(axis=2, keepdims=True)
    return np.concatenate([colour, np.where(clear, 0, 65535).astype(np.uint16)], axis=2)


def _half(image: Image.Image, *, other_byte: bool) -> Array:
    if other_byte:
        image.tile = [_other_order(tile) for tile in image.tile]  # type: ignore[attr-defined]  # of every ImageFile
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return np.asarray(image).astype(np.uint16)


def _raw_mode(tile: Any) -> str:
    mode = tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args
    return mode if isinstance(mode, str) else ""


def _other_order(tile: Any) -> Any:
    mode = _raw_mode(tile)
    changed = mode[:-1] + _OTHER[mode[-1]]
    return tile._replace(args=changed if isinstance(tile.args, str) else (changed, *tile.args[1:]))


def encode_png(pixels: Array) -> bytes:
    """A PNG of 16 bits per channel.

    Args:
        pixels: H x W x 1, 3 or 4 (grey, RGB, RGBA), uint16.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels, dtype=">u2").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    filtered[1:, 1:] = rows[1:] - rows[:-1]  # modulo 256, as the format has it
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
