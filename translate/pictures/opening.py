"""Opening files that may be anything: without waiting, without warnings, and with errors that name the file."""

from __future__ import annotations

import os
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from PIL import Image, UnidentifiedImageError

from translate.errors import DataError

ACCEPTED: Final = "PNG, JPEG, WebP, BMP, TIFF, GIF, PPM, JPEG 2000, AVIF, ICO, and arrays as .npy"

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
_FIX: Final = f"accepted are {ACCEPTED}, told by content and not by suffix; convert, replace or remove the file"


def shown(path: str | os.PathLike[str]) -> str:
    """A path as it can be printed and logged anywhere: control characters and undecodable bytes are escaped."""
    text = os.fspath(path)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


@contextmanager
def opened(path: str | os.PathLike[str], max_pixels: int) -> Iterator[BinaryIO]:
    """The opened file; whatever goes wrong inside becomes a `DataError` that names it."""
    try:
        with _regular_file(path) as file, _warnings_as_errors():
            yield file
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


def too_large(where: str, size: tuple[int, int], max_pixels: int) -> DataError:
    """The error for a picture of (width, height)."""
    what = f"the picture is too large ({size[0]} x {size[1]} pixels)"
    return DataError(what, where=where, fix=f"make it smaller; the limit is {max_pixels} pixels")


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
    """Only those about the file: the filters are the whole process's, and other threads must not notice."""
    with _WARNINGS, warnings.catch_warnings():
        warnings.filterwarnings("error", module=r"PIL\.")
        # Ours is the limit on pixels. Pillow's own warns at half of it and is an exception beyond it.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.simplefilter("error", SyntaxWarning)  # Python's, about the header of a damaged array
        yield
