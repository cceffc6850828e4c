"""The idx format of MNIST (LeCun, Cortes, Burges): strict reading of arrays of unsigned bytes, in gzip or not.

A file is two zero bytes, the type of the values (08 = unsigned byte), the number of dimensions, each dimension as a
big-endian 32-bit integer, and the values.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from translate.data import Array
from translate.errors import DataError
from translate.pictures import shown
from translate_datasets.layouts import contents, folder_names

IMAGES: Final = {3: "pictures x height x width", 4: "pictures x height x width x channels"}
LABELS: Final = {1: "labels"}

_NAME: Final = re.compile(r"(train|t10k).*(images|labels).*idx\d-ubyte(\.gz)?", re.IGNORECASE)
_UNSIGNED_BYTE: Final = 0x08
_GZIP: Final = b"\x1f\x8b"
_PIECE: Final = 2**20


def holds_idx(base: Path) -> bool:
    """Whether there are files here that are named as MNIST's are."""
    return any(_NAME.fullmatch(name) for name in _names(base))


def find_idx(base: Path, part: str, content: str) -> Path | None:
    """The file of a part, whose name starts with the part and has the content in it.

    Args:
        base: The folder.
        part: `train` or `t10k`.
        content: `images` or `labels`.

    Returns:
        The file, unpacked where both it and its `.gz` are there; None = there is none.

    Raises:
        DataError: There are several.
    """
    matches = [match for name in _names(base) if (match := _NAME.fullmatch(name))]
    names = [match[0] for match in matches if (match[1].lower(), match[2].lower()) == (part, content)]
    names = [name for name in names if not (name.endswith(".gz") and name.removesuffix(".gz") in names)]
    if len(names) > 1:
        what = f"there are several files of {part} {content}: {' and '.join(map(shown, names))}"
        raise DataError(what, where=shown(base), fix="keep one of them here")
    return base / names[0] if names else None


def _names(base: Path) -> list[str]:
    try:
        return sorted(os.listdir(base))
    except OSError:
        return []


def missing(base: Path, part: str) -> DataError:
    """The error for a root without the pictures of a part."""
    what = f"there is no file '{part}-images-idx3-ubyte' here (or .gz, or with something between).{contents(base)}"
    below = [base / name for name in folder_names(base) if holds_idx(base / name)]
    fix = f"set data.root to {shown(below[0])}" if len(below) == 1 else "set data.root to the folder of the files"
    return DataError(what, where=shown(base), fix=fix)


def read_idx(path: Path, meanings: dict[int, str]) -> Array:
    """Read a file; the same unchanged file is read once in a process.

    Args:
        path: The file. Whether it is in gzip is told by its content.
        meanings: What each number of dimensions that is allowed means.

    Returns:
        The values, uint8; cannot be written to.

    Raises:
        DataError: The file cannot be read, is damaged, or holds something else. Says what was found and expected.
    """
    try:
        status = os.stat(path)
        return _read(path, tuple(meanings.items()), (status.st_size, status.st_mtime_ns))
    except (OSError, EOFError, zlib.error) as exc:  # what gzip raises for damage, and the disk for everything else
        reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
        raise _wrong(path, f"the file cannot be read ({reason})", fix="copy or download it again") from exc


@lru_cache(maxsize=4)  # pictures and labels of both parts: train and val are of one file
def _read(path: Path, meanings: tuple[tuple[int, str], ...], _: tuple[int, int]) -> Array:
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        return _parsed(path, gzip.GzipFile(fileobj=raw) if packed else raw, dict(meanings))


def _parsed(path: Path, file: BinaryIO | gzip.GzipFile, meanings: dict[int, str]) -> Array:
    start = _exactly(file, 4)
    if len(start) < 4 or start[:2] != b"\0\0":
        expected = " or ".join(f"00 00 08 {count:02x}" for count in meanings)
        what = f"this is not an idx file: it begins with {start.hex(' ') or 'nothing'}, expected {expected}"
        raise _wrong(path, what)
    kind, count = start[2], start[3]
    if kind != _UNSIGNED_BYTE:
        raise _wrong(path, f"its values are of type {kind:02x}, expected 08 (unsigned bytes)")
    if count not in meanings:
        expected = " or ".join(f"{number} ({text})" for number, text in meanings.items())
        raise _wrong(path, f"its number of dimensions is {count}, expected {expected}")
    sizes = _exactly(file, 4 * count)
    if len(sizes) < 4 * count:
        raise _wrong(path, f"the file ends in its header, after {4 + len(sizes)} of {4 + 4 * count} bytes")
    shape = [int.from_bytes(sizes[place : place + 4], "big") for place in range(0, 4 * count, 4)]
    expected_bytes, text = math.prod(shape), "x".join(map(str, shape))
    if not expected_bytes:
        raise _wrong(path, f"its header says {text}, which is empty")
    values = _exactly(file, expected_bytes + 1)
    if len(values) != expected_bytes:
        found = "more" if len(values) > expected_bytes else str(len(values))
        raise _wrong(path, f"its header says {text} = {expected_bytes} bytes of values, but {found} follow")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _exactly(file: BinaryIO | gzip.GzipFile, count: int) -> bytes:
    """So many bytes, or what there is: never more memory than the file has, whatever its header promises."""
    pieces: list[bytes] = []
    while count and (piece := file.read(min(count, _PIECE))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _wrong(path: Path, what: str, *, fix: str = "replace the file, or set data.root to another folder") -> DataError:
    return DataError(what, where=shown(path), fix=fix)


def check_count(images: Path, labels: Path, counts: Sequence[int]) -> None:
    """Refuse labels that are not one for each picture.

    Raises:
        DataError: There are more or fewer.
    """
    if counts[0] != counts[1]:
        what = f"{counts[0]} pictures in {shown(images.name)} but {counts[1]} labels in {shown(labels.name)}"
        raise DataError(what, where=shown(images.parent), fix="take the two files of one data set")
