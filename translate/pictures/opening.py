"""Opening files that may be anything: without waiting, without warnings, and with errors that name the file."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import BinaryIO, Final

from PIL import Image, UnidentifiedImageError, _imaging

from translate.errors import DataError, UsageError

MAX_PIXELS: Final = 2**26
"""Pixels of the largest picture that is read: 8192 x 8192, 200 MB as RGB. A few kilobytes can claim to hold more."""

LIMIT_VARIABLE: Final = "TRANSLATE_MAX_PIXELS"
"""Environment variable that sets another limit."""

_PICTURES: Final = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "WebP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "JPEG 2000": (".jp2", ".j2k", ".jpx"),
    "AVIF": (".avif",),
    "ICO": (".ico",),
}
SUFFIXES: Final[Mapping[str, str]] = {
    **{suffix: name for name, suffixes in _PICTURES.items() for suffix in suffixes},
    ".npy": "an array",
}
"""The suffixes of the files that are listed, and what each says the file is."""

ACCEPTED: Final = f"{', '.join(_PICTURES)}, and arrays as .npy"

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
_PILLOW = threading.Lock()
_PIXELS: Final = re.compile(r"\((\d+) pixels\)")
_FIX: Final = f"accepted are {ACCEPTED}, told by content and not by suffix; convert, replace or remove the file"


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed and logged anywhere: control characters and undecodable bytes are escaped."""
    text = os.fspath(path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@contextmanager
def opened(path: str | os.PathLike[str], max_pixels: int) -> Iterator[BinaryIO]:
    """The opened file; whatever goes wrong inside becomes a `DataError` that names it."""
    try:
        with _regular_file(path) as file, _pillow_told(max_pixels):
            yield file
    except Image.DecompressionBombError as exc:
        found = _PIXELS.search(str(exc))
        size = f"{found[1]} pixels" if found else str(exc)
        raise DataError(f"the picture is too large ({size})", where=shown(path), fix=_smaller(max_pixels)) from exc
    except UnidentifiedImageError as exc:
        raise DataError("not an accepted picture, or damaged at its start", where=shown(path), fix=_FIX) from exc
    except FileNotFoundError as exc:
        raise DataError("the file is not there (moved, deleted, or a broken link)", where=shown(path)) from exc
    except _DECODE_ERRORS as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or shown(str(exc)) or type(exc).__name__
        fix = "replace or remove the file"
        raise DataError(f"the picture cannot be read ({reason})", where=shown(path), fix=fix) from exc


def too_large(where: str, size: tuple[int, int], max_pixels: int) -> DataError:
    """The error for a picture of (width, height)."""
    what = f"the picture is too large ({size[0]} x {size[1]} pixels)"
    return DataError(what, where=where, fix=_smaller(max_pixels))


def pixel_limit() -> int:
    """The most pixels that a picture may have: `MAX_PIXELS`, or what the environment variable says.

    Raises:
        UsageError: The variable is not a positive number.
    """
    given = os.environ.get(LIMIT_VARIABLE)
    if given is None:
        return MAX_PIXELS
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        what = f"the environment variable {LIMIT_VARIABLE} must be a number of pixels (got '{shown(given)}')"
        raise UsageError(what, fix=f"unset it, or set it to such as {MAX_PIXELS}")
    return int(given)


def _smaller(max_pixels: int) -> str:
    fix = f"make it smaller; the limit is {max_pixels} pixels"
    return f"{fix} (the environment variable {LIMIT_VARIABLE}, for files that you trust)"


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


@cache
def silence_libtiff() -> None:
    """Have libtiff not write to stderr what Pillow raises as an error anyway; it would stand beside our message."""
    try:
        library = ctypes.CDLL(_imaging.__file__)  # a name is also looked for in what Pillow's library is linked with
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            function = getattr(library, name)
            function.restype, function.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            function(None)
    except (OSError, AttributeError):  # linked in another way: it goes on talking
        return


@contextmanager
def _pillow_told(max_pixels: int) -> Iterator[None]:
    """Pillow's warnings about the file are errors, and its limit is ours.

    Both are the whole process's. So they hold for the length of the block alone, and one thread at a time reads; other
    code that uses Pillow in another thread meanwhile meets them too. Pillow looks at its limit before it decodes what
    lies within another header, such as a picture in an icon.
    """
    with _PILLOW, warnings.catch_warnings():
        warnings.filterwarnings("error", module=r"PIL\.")
        # Pillow warns above its limit, and refuses above twice that: the warning says nothing here.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.simplefilter("error", SyntaxWarning)  # Python's, about the header of a damaged array
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels / 2  # type: ignore[assignment]
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
