"""What a single file of a data set is: its header, its end, and where it is asked for, its pixels."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from translate.errors import DataError
from translate.pictures import SUFFIXES, PictureInfo, picture_info, read_picture

_HEADS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "PNG": lambda head: head.startswith(b"\x89PNG"),
    "JPEG": lambda head: head.startswith(b"\xff\xd8"),
    "WebP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    "BMP": lambda head: head.startswith(b"BM"),
    "TIFF": lambda head: head[:2] in {b"II", b"MM"},
    "GIF": lambda head: head.startswith(b"GIF8"),
    "PPM": lambda head: head[:1] == b"P",
    "JPEG 2000": lambda head: head[4:8] == b"jP  " or head.startswith(b"\xff\x4f\xff\x51"),
    "AVIF": lambda head: head[4:8] == b"ftyp",
    "ICO": lambda head: head.startswith(b"\0\0\1\0"),
    "an array": lambda head: head.startswith(b"\x93NUMPY"),
}
_END: Final = 12
_FEW_PIXELS: Final = 32 * 32  # so few are decoded in no time
_PACKED: Final = 24  # pixels of a byte: photographs hold 2 to 15, one colour in JPEG up to 85
_PACKED_HEAD: Final = 1024  # bytes of tables and profiles that say nothing about the pixels
_PIECE: Final = 2**16


@dataclass(slots=True)
class Seen:
    """What is known of a file.

    Attributes:
        bytes: Its length.
        info: What its header says; None where it cannot be read.
        error: What is wrong with it; None where nothing is.
        format: By its first bytes.
        named_wrongly: Whether its suffix says another format.
        suspicious: Whether it may be cut off, or of one colour; only its pixels tell.
        constant: Whether all pixels are equal; None where they were not looked at.
        digest: Equal where the pixels are equal; None where they were not looked at.
    """

    bytes: int = 0
    info: PictureInfo | None = None
    error: DataError | None = None
    format: str = ""
    named_wrongly: bool = False
    suspicious: bool = False
    constant: bool | None = None
    digest: Any = None

    @property
    def pixels(self) -> int:
        """By its header."""
        return self.info.height * self.info.width if self.info else 0


def look(path: Path) -> Seen:
    """Look at the header and the end of a file."""
    seen = Seen()
    try:
        seen.info = picture_info(path)
        seen.bytes, head, tail = _ends(path)
    except DataError as exc:
        seen.error = exc
        return seen
    except OSError as exc:  # gone, or changed, since its header was read
        seen.info, seen.error = None, DataError(f"the file cannot be read ({exc.strerror})", where=None)
        return seen
    seen.format = next((name for name, fits in _HEADS.items() if fits(head)), "")
    expected = SUFFIXES.get(path.suffix.lower())
    seen.named_wrongly = bool(seen.format and expected and expected != seen.format)
    few = seen.pixels <= _FEW_PIXELS or seen.pixels > _PACKED * max(0, seen.bytes - _PACKED_HEAD)
    seen.suspicious = few or not _complete(seen.format, seen.bytes, head, tail)
    return seen


def look_inside(path: Path, seen: Seen) -> None:
    """Decode a file, and note what its pixels say."""
    try:
        pixels = read_picture(path)
    except DataError as exc:
        seen.error = exc
        return
    seen.constant = pixels.shape[0] * pixels.shape[1] > 1 and bool((pixels == pixels[0, 0]).all())
    content = np.ascontiguousarray(pixels).data
    seen.digest = (pixels.shape, str(pixels.dtype), hashlib.blake2b(content, digest_size=16).digest())


def same_bytes(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The groups of equal files among some of equal length; the beginning is compared first."""
    for group in _grouped(paths, _PIECE) if len(paths) > 1 else ():
        yield from _grouped(group, None) if len(group) > 1 else ()


def _grouped(paths: Sequence[Path], length: int | None) -> list[list[Path]]:
    groups: dict[bytes, list[Path]] = defaultdict(list)
    for path in paths:
        try:
            with path.open("rb") as file:
                if length is None:
                    digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
                else:
                    digest = hashlib.blake2b(file.read(length), digest_size=16).digest()
        except OSError:
            continue
        groups[digest].append(path)
    return list(groups.values())


def _ends(path: Path) -> tuple[int, bytes, bytes]:
    """Length, first and last bytes; only of a regular file, which its header was read from."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file any more")
        head = file.read(_END)
        file.seek(max(0, status.st_size - _END))
        return status.st_size, head, file.read(_END)


def _complete(format: str, length: int, head: bytes, tail: bytes) -> bool:
    """Whether a file ends as files of its format do, as far as that can be told."""
    if format == "PNG":
        return tail[4:8] == b"IEND"
    if format == "JPEG":
        return tail.endswith(b"\xff\xd9")
    if format == "GIF":
        return tail.endswith(b";")
    if format == "WebP":
        return length >= int.from_bytes(head[4:8], "little") + 8
    return True
