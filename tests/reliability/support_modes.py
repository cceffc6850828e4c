"""One picture of each kind, and the pixels that it must be read as: by numpy alone, from what was put into it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from support_bombs import chunk

Array = np.ndarray[Any, np.dtype[Any]]


def over_white(colour: Array, alpha: Array, full: int = 255) -> Array:
    """c a + white (1 - a), rounded to the nearest level."""
    a = alpha.astype(np.float64)[..., None] / full
    return np.floor(colour * a + full * (1 - a) + 0.5).astype(colour.dtype)


def as_rgb(cmyk: Array) -> Array:
    """(255 - c) (255 - k) / 255, rounded."""
    c, k = cmyk[:, :, :3].astype(np.int64), cmyk[:, :, 3:].astype(np.int64)
    return np.floor((255 - c) * (255 - k) / 255 + 0.5).astype(np.uint8)


def fixtures(folder: Path) -> dict[str, tuple[Path, Array | None]]:
    """File and right pixels by name; None where it must be refused."""
    rng = np.random.default_rng(3)
    rgb = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    rgba = rng.integers(0, 256, (6, 8, 4), dtype=np.uint8)
    grey = rgb[:, :, 0]
    deep = np.array([[0, 1, 255, 256], [257, 30_000, 65_534, 65_535]], np.uint16)
    found: dict[str, tuple[Path, Array | None]] = {}

    def add(name: str, image: Image.Image, right: Array | None, **options: Any) -> None:
        path = folder / name
        image.save(path, **options)
        found[name] = (path, right)

    bits = grey > 99
    add("1.png", Image.fromarray(bits), (bits * np.uint8(255))[:, :, None])
    add("L.png", Image.fromarray(grey), grey[:, :, None])
    add("L with a transparent grey.png", Image.fromarray(grey), np.where(grey == grey[0, 0], 255, grey)[:, :, None],
        transparency=int(grey[0, 0]))  # fmt: skip
    add("RGB.bmp", Image.fromarray(rgb), rgb)
    palette = rng.integers(0, 256, (16, 3), dtype=np.uint8)
    indices = rng.integers(0, 16, (6, 8), dtype=np.uint8)
    indexed = Image.fromarray(indices)
    indexed.putpalette(palette.tobytes())
    add("P.png", indexed, palette[indices])
    clear = np.where((indices == 4)[..., None], 255, palette[indices]).astype(np.uint8)
    add("P with transparency.png", indexed, clear, transparency=4)
    add("P with transparency.gif", indexed, clear, transparency=4)
    shades = rng.integers(0, 256, 16, dtype=np.uint8)
    add("P with a table of alpha.png", indexed, over_white(palette[indices], shades[indices]),
        transparency=shades.tobytes())  # fmt: skip
    add("RGBA.png", Image.fromarray(rgba), over_white(rgba[:, :, :3], rgba[:, :, 3]))
    add("RGBA.webp", Image.fromarray(rgba), over_white(rgba[:, :, :3], rgba[:, :, 3]), lossless=True, exact=True)
    add("LA.png", Image.fromarray(rgba[:, :, :2], "LA"), over_white(rgba[:, :, :1], rgba[:, :, 1]))
    add("I;16.png", Image.fromarray(deep), deep[:, :, None])
    add("I;16B.tif", Image.frombytes("I;16B", (4, 2), deep.astype(">u2").tobytes()), deep[:, :, None])
    add("I.tif", Image.fromarray(deep.astype(np.int32)), deep[:, :, None])
    add("I beyond 16 bits.tif", Image.fromarray(np.array([[0, 65_536]], np.int32)), None)
    add("F.tif", Image.fromarray(np.array([[0.0, 0.5]], np.float32)), None)
    cmyk = rng.integers(0, 256, (2, 3, 4), dtype=np.uint8)
    add("CMYK.tif", Image.fromarray(cmyk, "CMYK"), as_rgb(cmyk))
    blocks = np.kron(cmyk, np.ones((8, 8, 1), np.uint8))  # of one value each, which JPEG keeps
    add("Adobe's inverted CMYK.jpg", Image.fromarray(blocks, "CMYK"), as_rgb(blocks), quality=100, subsampling=0)
    exif = Image.Exif()
    for turn, way in ((6, lambda a: np.rot90(a, -1)), (3, lambda a: np.rot90(a, 2)), (7, lambda a: np.rot90(a, 2).T)):
        exif[0x0112] = turn
        tiles = np.kron(grey, np.ones((8, 8), np.uint8))
        add(f"turned {turn}.jpg", Image.fromarray(tiles), way(tiles)[:, :, None], quality=100, exif=exif)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    add("with a profile.png", Image.fromarray(rgb), rgb, icc_profile=profile)
    wide = rng.integers(0, 65_536, (6, 8, 3), dtype=np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in wide)
    header = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (folder / "RGB of 16 bits.png").write_bytes(content)
    found["RGB of 16 bits.png"] = (folder / "RGB of 16 bits.png", wide)
    return found
