"""Files that claim, or really hold, more pixels than anybody wants: a few bytes to a few kilobytes each."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, features


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, bits: int = 8, colour: int = 0, packed: bytes | None = None) -> bytes:
    """A PNG of zeros that decodes, unless other packed data is given."""
    if packed is None:
        row = 1 + (width * bits * {0: 1, 2: 3, 6: 4}[colour] + 7) // 8
        packer = zlib.compressobj(9)
        packed = b"".join([packer.compress(bytes(row * n)) for n in pieces(height)] + [packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def pieces(rows: int, size: int = 256) -> list[int]:
    """Rows in pieces, so that nobody holds all of them."""
    return [size] * (rows // size) + [rows % size]


def jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header says so; its data is that of a small picture."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 120, 30)).save(content, "JPEG")
    data = bytearray(content.getvalue())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def gif(width: int, height: int, *, frame: tuple[int, int] | None = None) -> bytes:
    """A GIF of a screen, and of a frame that may be larger than it."""
    frame = frame or (width, height)
    screen = b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(3) + b"\xff" * 3
    return screen + b"," + struct.pack("<HHHH", 0, 0, *frame) + b"\0" + b"\x02\x02\x44\x01\0;"


def bmp(width: int, height: int, *, run_length: bool = False) -> bytes:
    """A BMP header; with run lengths, a few bytes stand for all pixels."""
    size, bits, method = (54 + 1024, 8, 1) if run_length else (54, 24, 0)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, method, 0, 0, 0, 0, 0)
    palette = bytes(1024) if run_length else b""
    return b"BM" + struct.pack("<IHHI", size + 2, 0, 0, size) + info + palette + (b"\0\1" if run_length else b"\0" * 64)


def tiff(width: int, height: int, *, tile: tuple[int, int] | None = None, deflate: bool = True) -> bytes:
    """A TIFF with one strip, or with one tile of another size than the picture."""
    data = zlib.compress(bytes(4096), 9)
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 8 if deflate else 1), (262, 3, 1), (277, 3, 1)]
    if tile is None:
        entries += [(273, 4, 0), (278, 4, height), (279, 4, len(data))]
    else:
        entries += [(322, 4, tile[0]), (323, 4, tile[1]), (324, 4, 0), (325, 4, len(data))]
    start = 8 + 2 + 12 * len(entries) + 4
    entries = [(tag, kind, start if tag in {273, 324} else value) for tag, kind, value in sorted(entries)]
    body = b"".join(struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4) + data


def webp(width: int, height: int, *, extended: bool = False) -> bytes:
    """A lossless WebP of such a header, or one with a canvas of such a size around a small picture."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 120, 30)).save(content, "WEBP", lossless=True)
    data = bytearray(content.getvalue())
    if not extended:
        place = data.index(b"VP8L") + 9
        old = struct.unpack_from("<I", data, place)[0]
        struct.pack_into("<I", data, place, (old & 0xF0000000) | (width - 1) | ((height - 1) << 14))
        return bytes(data)
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBP" + b"VP8X" + struct.pack("<I", 10) + bytes(4) + sizes + bytes(data[12:])
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg2000(width: int, height: int, *, box_lies: bool = False) -> bytes:
    """A JPEG 2000 file whose code stream says so; the box around it may say that it is small."""
    content = io.BytesIO()
    Image.new("L", (32, 32), 90).save(content, "JPEG2000")
    data = bytearray(content.getvalue())
    place = data.index(b"\xff\x4f\xff\x51") + 8
    struct.pack_into(">II", data, place, width, height)
    struct.pack_into(">II", data, place + 16, width, height)
    if not box_lies:
        struct.pack_into(">II", data, data.index(b"ihdr") + 4, height, width)
    return bytes(data)


def avif(width: int, height: int) -> bytes:
    """An AVIF whose property says so."""
    content = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 120, 30)).save(content, "AVIF")
    data = bytearray(content.getvalue())
    struct.pack_into(">II", data, data.index(b"ispe") + 8, width, height)
    return bytes(data)


def ico(picture: bytes) -> bytes:
    """An icon that holds a picture, and says that it is of 32 x 32."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(picture), 22) + picture


def array(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    """The header of an array, without its data."""
    content = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue()


def every() -> Mapping[str, Callable[[], bytes]]:
    """Bombs by the name of their file."""
    bombs: dict[str, Callable[[], bytes]] = {
        "header.png": lambda: png(50_000, 50_000, packed=zlib.compress(bytes(1000))),
        "real_81_megapixels.png": lambda: png(9_000, 9_000, bits=1),
        "real_169_megapixels.png": lambda: png(13_000, 13_000, bits=1),
        "deep.png": lambda: png(20_000, 20_000, bits=16, colour=2, packed=zlib.compress(bytes(1000))),
        "long.png": lambda: png(2_000_000_000, 1, packed=zlib.compress(bytes(1000))),
        "header.jpg": lambda: jpeg(65_500, 65_500),
        "header.gif": lambda: gif(65_535, 65_535),
        "frame.gif": lambda: gif(8, 8, frame=(65_000, 65_000)),
        "header.bmp": lambda: bmp(30_000, 30_000),
        "run_lengths.bmp": lambda: bmp(30_000, 30_000, run_length=True),
        "header.tif": lambda: tiff(60_000, 60_000),
        "tile.tif": lambda: tiff(64, 64, tile=(60_000, 60_000)),
        "header.webp": lambda: webp(16_383, 16_383),
        "canvas.webp": lambda: webp(16_383, 16_383, extended=True),
        "header.jp2": lambda: jpeg2000(60_000, 60_000),
        "stream.jp2": lambda: jpeg2000(60_000, 60_000, box_lies=True),
        "header.ppm": lambda: b"P6 60000 60000 255\n" + bytes(100),
        "header.pgm": lambda: b"P5 4000000000 4000000000 65535\n" + bytes(100),
        "picture.ico": lambda: ico(png(13_000, 13_000, bits=1)),
        "header.npy": lambda: array((60_000, 60_000)),
        "channels.npy": lambda: array((8_000, 8_000, 100_000), "<f4"),
    }
    if features.check("avif"):
        bombs["header.avif"] = lambda: avif(60_000, 60_000)
    return bombs
