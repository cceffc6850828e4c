"""Pictures in and out, by numpy and Pillow alone: one stated rule for every kind of file.

Accepted are PNG, JPEG, WebP, BMP, TIFF, GIF, PPM/PGM/PBM, JPEG 2000, AVIF and ICO, told by content and never by suffix.
Everything else (EPS, PDF, PSD, SVG, FITS ...) is refused, and no decoder for it is ever tried.

| what the file holds (Pillow's mode) | what `read_picture` returns |
|---|---|
| any | the first frame or page; EXIF (or XMP) orientation applied; colour profiles ignored |
| 1 (bilevel) | one channel, 0 or 255 |
| L | one channel, as stored |
| P (palette) | expanded to RGB; a transparent entry counts as alpha |
| RGB, RGBX | three channels |
| LA, RGBA, PA; 1, L, RGB, P with a transparent colour | over white: `(c a + 255 (255 - a)) / 255`, rounded (*) |
| CMYK | RGB, `(255 - c) * (255 - k) / 255`; Adobe's inverted files are turned by Pillow |
| YCbCr, LAB, HSV | converted to RGB (LAB through littleCMS, to sRGB) |
| I;16 in any byte order (grey PNG, TIFF, JPEG 2000) | uint16, the stored numbers, never clipped (*) |
| I (grey PGM; 32-bit grey TIFF) | uint16, the stored numbers; refused when one lies beyond 16 bits |
| F (32-bit float) | refused: the file does not say which value is white |
| 16 bits per channel in colour (PNG, TIFF, PPM) | 8 bits: Pillow keeps the upper byte |

(*) With `channels=4` the alpha is kept. In a 16-bit grey picture the value that is declared transparent becomes white.

A 16-bit TIFF that really holds 12-bit samples says nothing about it, so its numbers stay (65535 is white, and it looks
dark); one that declares 12 bits per sample is scaled so that its white becomes 65535.

`channels` asks for a number of channels: 1 from colour is the luma of ITU-R BT.601 as Pillow rounds it, 3 from 1
repeats the channel, 4 adds an opaque alpha where there is none. Alpha is composited before anything else.
"""

from __future__ import annotations

import io
import os
import secrets
import shutil
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

# Imported by name, so that Image.open finds them without loading every other decoder that Pillow has.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from translate.errors import DataError, MachineError

_PLUGINS: Final = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
    PpmImagePlugin.PpmImageFile,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    AvifImagePlugin.AvifImageFile,
    IcoImagePlugin.IcoImageFile,
)
FORMATS: Final = tuple(plugin.format for plugin in _PLUGINS)
SUFFIXES: Final = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif", ".ico"}
)
ACCEPTED: Final = "PNG, JPEG, WebP, BMP, TIFF, GIF, PPM, JPEG 2000, AVIF, ICO"
MAX_PIXELS: Final = 178_956_970

Array = np.ndarray[Any, np.dtype[Any]]

# What Pillow's decoders raise on damaged files (found by fuzzing). Warning is here because warnings are errors.
_DECODE_ERRORS: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,
    Image.DecompressionBombError,
    Warning,
)
_WARNINGS = threading.Lock()


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed and logged anywhere: control characters and undecodable bytes are escaped."""
    text = os.fspath(path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """List the files of a folder that have an accepted suffix, by name.

    Not recursive. Hidden files (also the `._` companions that macOS leaves) are skipped. Broken links and special files
    are listed: reading them fails by name, while leaving them out would make a picture vanish silently.

    Raises:
        DataError: The folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_listed(entry)]
    except OSError as exc:
        raise DataError(f"the folder cannot be listed ({exc.strerror})", where=shown(folder)) from exc
    return [Path(folder) / name for name in sorted(names)]


def _is_listed(entry: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    return not entry.name.startswith(".") and suffix in SUFFIXES and not entry.is_dir()


def read_picture(path: str | os.PathLike[str], *, channels: int | None = None, max_pixels: int = MAX_PIXELS) -> Array:
    """Read a picture by the rules of the table above.

    Args:
        path: The file.
        channels: 1, 3 or 4; as the file has (without alpha) when not given.
        max_pixels: Larger pictures are refused on their header, before anything is decoded.

    Shape:
        H x W x channels, uint8 or uint16.

    Raises:
        DataError: The file is missing, not a regular file, not an accepted format, too large, damaged, or of a mode
            that the table refuses. Names the file.
        ValueError: `channels` is not 1, 3 or 4.
    """
    _check_channels(channels)
    with _opened(path, max_pixels) as image:
        image.load()
        if image.width * image.height > max_pixels:  # an ICO may hold another size than it declares
            raise _too_large(path, image.size, max_pixels)
        ImageOps.exif_transpose(image, in_place=True)
        array = _pixels(image, path, keep_alpha=channels == 4)
    return as_channels(array, channels)


def probe_picture(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int, int]:
    """Height, width and channels that `read_picture` would return, from the header alone.

    Raises:
        DataError: As `read_picture`, as far as the header shows it.
    """
    with _opened(path, max_pixels) as image:
        width, height = image.size
        # Pillow turns TIFF by itself and has already exchanged the two.
        if image.format != "TIFF" and image.getexif().get(0x0112, 1) in {5, 6, 7, 8}:
            width, height = height, width
        if image.format == "ICO":
            image.load()
        grey = image.mode in {"1", "L", "LA", "La"} or image.mode.startswith(("I", "F"))
        return height, width, 1 if grey else 3


def as_channels(array: Array, channels: int | None) -> Array:
    """Bring an H x W x 1, 3 or 4 array to a number of channels.

    From four channels the alpha is composited over white first.

    Raises:
        ValueError: `channels` is not 1, 3 or 4.
    """
    _check_channels(channels)
    found = array.shape[2]
    if channels is None or found == channels:
        return array
    white = 65535 if array.dtype == np.uint16 else 255
    if found == 4:
        return as_channels(_over_white(array), channels)
    if channels == 4:
        colour = as_channels(array, 3)
        return np.concatenate([colour, np.full_like(colour[:, :, :1], white)], axis=2)
    if channels == 3:
        return np.repeat(array, 3, axis=2)
    red, green, blue = (array[:, :, i].astype(np.uint32) for i in range(3))
    luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    return luma.astype(array.dtype)[:, :, None]


def _check_channels(channels: int | None) -> None:
    if channels not in {None, 1, 3, 4}:
        msg = f"channels must be 1, 3 or 4 (got {channels})"
        raise ValueError(msg)


@contextmanager
def _opened(path: str | os.PathLike[str], max_pixels: int) -> Iterator[Image.Image]:
    """The opened picture; whatever goes wrong inside becomes a `DataError` that names the file."""
    try:
        with _regular_file(path) as file, _warnings_as_errors(), Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise _too_large(path, image.size, max_pixels)
            yield image
    except Image.DecompressionBombError as exc:
        fix = f"make it smaller; the limit is {max_pixels} pixels"
        raise DataError(f"the picture is too large: {exc}", where=shown(path), fix=fix) from exc
    except UnidentifiedImageError as exc:
        raise DataError("not an accepted picture, or damaged at its start", where=shown(path), fix=_FIX) from exc
    except FileNotFoundError as exc:
        raise DataError("the file is not there (moved, deleted, or a broken link)", where=shown(path)) from exc
    except _DECODE_ERRORS as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or shown(str(exc)) or type(exc).__name__
        fix = "replace or remove the file"
        raise DataError(f"the picture cannot be read ({reason})", where=shown(path), fix=fix) from exc


_FIX: Final = f"accepted are {ACCEPTED}, told by content and not by suffix; convert, replace or remove the file"


def _too_large(path: str | os.PathLike[str], size: tuple[int, int], max_pixels: int) -> DataError:
    what = f"the picture is too large ({size[0]} x {size[1]} pixels)"
    return DataError(what, where=shown(path), fix=f"make it smaller; the limit is {max_pixels} pixels")


def _regular_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open without ever waiting: a FIFO without a writer would block for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise DataError(f"not a regular file but {kind}", where=shown(path), fix="give a picture file")
    return os.fdopen(descriptor, "rb")


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    """Only Pillow's warnings: the filters are the whole process's, and other threads must not notice."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.filterwarnings("error", module=r"PIL\.")
        # Ours is the limit on pixels. Pillow's own warns at half of it and is an exception beyond it.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _pixels(image: Image.Image, path: str | os.PathLike[str], *, keep_alpha: bool) -> Array:
    mode = image.mode
    if mode == "F":
        fix = "save it as 8-bit or 16-bit integers"
        raise DataError("pictures of floating-point numbers have no stated white", where=shown(path), fix=fix)
    if mode.startswith("I"):
        return _deep_grey(image, path, keep_alpha=keep_alpha)
    has_alpha = mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info
    grey = mode in {"1", "L", "LA", "La"}
    if has_alpha:
        array = np.asarray(image.convert("RGBA"))
        flat = array if keep_alpha else _over_white(array)
        # A grey with a transparent colour that is not grey cannot be: the three channels are equal.
        return flat if keep_alpha or not grey else np.ascontiguousarray(flat[:, :, :1])
    array = np.array(image.convert("L" if grey else "RGB"))
    return array[:, :, None] if grey else array


def _over_white(array: Array) -> Array:
    white = np.iinfo(array.dtype).max
    wide = array.astype(np.uint32)
    colour, alpha = wide[:, :, :3], wide[:, :, 3:]
    return ((colour * alpha + white * (white - alpha) + white // 2) // white).astype(array.dtype)


def _deep_grey(image: Image.Image, path: str | os.PathLike[str], *, keep_alpha: bool) -> Array:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        what = f"the values of the picture lie in {low} to {high}, beyond 16 bits"
        raise DataError(what, where=shown(path), fix="save it with 16 bits per sample")
    array = values.astype(np.uint16)[:, :, None]
    bits = _declared_bits(image)
    if bits < 16:
        array = (array.astype(np.uint32) * 65535 // (2**bits - 1)).astype(np.uint16)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return array
    clear = array == transparent
    if keep_alpha:
        return np.concatenate([np.repeat(array, 3, axis=2), np.where(clear, 0, 65535).astype(np.uint16)], axis=2)
    return np.where(clear, 65535, array).astype(np.uint16)


def _declared_bits(image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(TiffImagePlugin.BITSPERSAMPLE, 16)
    return int(bits[0] if isinstance(bits, tuple) else bits)


_WRITERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
}


def write_picture(path: str | os.PathLike[str], array: Array) -> None:
    """Write a picture; whoever looks at the path finds the old file or the complete new one, never a part.

    PNG and WebP are lossless (WebP has no grey: it reads back as RGB), JPEG is written at quality 95 without chroma
    subsampling.

    Args:
        path: The file; its suffix says the format: .png, .jpg, .jpeg or .webp.
        array: H x W or H x W x 1, 3 or 4 in uint8; H x W or H x W x 1 in uint16 (PNG only).

    Raises:
        DataError: The suffix is unknown, or the format cannot hold the array.
        MachineError: The file cannot be written. Says what was needed and what is free.
        ValueError: The array is not a picture.
    """
    target = Path(path)
    pixels = _writable(array)
    name, options = _writer(target, pixels)
    encoded = io.BytesIO()
    try:
        Image.fromarray(pixels).save(encoded, format=name, **options)
    except (OSError, ValueError) as exc:  # such as sides beyond what WebP can hold
        what = f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be written as {name} ({exc})"
        raise DataError(what, where=shown(target), fix="write PNG") from exc
    _replace(target, encoded.getvalue())


def _writable(array: Array) -> Array:
    pixels = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    deep = pixels.dtype == np.uint16 and pixels.ndim == 2
    shallow = pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in {3, 4}))
    if not (deep or shallow) or pixels.size == 0:
        msg = f"not a picture: shape {array.shape}, {array.dtype} (uint8 with 1, 3 or 4 channels, or uint16 with 1)"
        raise ValueError(msg)
    return np.ascontiguousarray(pixels)


def _writer(target: Path, pixels: Array) -> tuple[str, dict[str, Any]]:
    found = _WRITERS.get(target.suffix.lower())
    if found is None:
        what = f"pictures are not written as '{target.suffix}'"
        raise DataError(what, where=shown(target), fix=f"use one of {', '.join(_WRITERS)}")
    if pixels.dtype == np.uint16 and found[0] != "PNG":
        raise DataError(f"{found[0]} cannot hold 16 bits", where=shown(target), fix="write .png")
    if pixels.ndim == 3 and pixels.shape[2] == 4 and found[0] == "JPEG":
        raise DataError("JPEG cannot hold an alpha channel", where=shown(target), fix="write .png or .webp")
    return found


def _replace(target: Path, content: bytes) -> None:
    # Not derived from the target's name, which may already have the longest length that the disk takes.
    temporary = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        if target.exists() and not target.is_file():
            raise MachineError("the output is a folder or a special file", where=shown(target), fix="give another name")
        with temporary.open("xb") as file:
            file.write(content)
        temporary.replace(target)
    except OSError as exc:
        what = f"the picture cannot be written ({exc.strerror or exc}); {len(content)} bytes needed{_free(target)}"
        fix = "check that the folder exists, may be written, and has room"
        raise MachineError(what, where=shown(target), fix=fix) from exc
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _free(target: Path) -> str:
    try:
        return f", {shutil.disk_usage(target.parent).free} free"
    except OSError:
        return ""
