"""The few file operations that training needs, in one place.

Callers use them through the module (`files.rename(...)`), so that a test can put a fault (a full disk, a killed
process) before any one of them. Each is one step that a crash can fall before or after.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from translate.errors import MachineError

Buffer = bytes | bytearray | memoryview

_BLOCK: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NAME: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})
_IN_THE_WAY: Final = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY})


def make_folder(path: Path) -> None:
    """Create a folder that does not exist yet; its mode follows the umask."""
    path.mkdir()


def write_bytes(path: Path, chunks: Iterable[Buffer]) -> tuple[int, str]:
    """Write a new file; its mode follows the umask.

    Args:
        path: A file that does not exist yet.
        chunks: The content, in order.

    Returns:
        Size in bytes and SHA-256 of what was meant to be written.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def fsync(path: Path) -> None:
    """Wait until a file, or the list of names of a folder, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(old: Path, new: Path) -> None:
    """Give a file or folder another name in the same file system, atomically."""
    old.rename(new)


def replace(old: Path, new: Path) -> None:
    """Give a file the name of another one, which it replaces, atomically."""
    old.replace(new)


def remove(path: Path) -> None:
    """Remove a file, or a folder that is empty. A symbolic link is removed, never followed."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


def listdir(path: Path) -> list[str]:
    """The names in a folder, sorted."""
    return sorted(os.listdir(path))


def free_bytes(path: Path) -> int:
    """Bytes that an ordinary user can still write where `path` is (or would be)."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def read_blocks(path: Path) -> Iterator[bytes]:
    """The content of a file, a piece at a time."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    digest = hashlib.sha256()
    for block in read_blocks(path):
        digest.update(block)
    return digest.hexdigest()


@contextmanager
def disk_errors(path: Path, *, needed: int | None = None, reading: bool = False) -> Iterator[None]:
    """Turn what the disk refuses within the block into a `MachineError`.

    Args:
        path: What is being written or read; named in the error.
        needed: Bytes that are to be written, named when the disk is full.
        reading: Nothing is written, so that another place to write to would not help.

    Raises:
        MachineError: The disk is full, rights are missing, a file stands where a folder must be, or the disk fails.
    """
    try:
        yield
    except OSError as exc:
        raise _translated(exc, path, needed, reading=reading) from exc


def is_full(error: MachineError) -> bool:
    """Whether it is that the disk is full."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL


def _translated(exc: OSError, path: Path, needed: int | None, *, reading: bool) -> MachineError:
    where = str(path)
    if exc.errno in _FULL:
        need = f"{needed:,} bytes are needed, " if needed is not None else ""
        return MachineError(
            f"the disk is full: {need}{_free(path)} are free",
            where=where,
            fix="free some space (or lower training.keep_checkpoints), then run the same command again",
        )
    if exc.errno in _DENIED:
        reason = "the file system is read-only" if exc.errno == errno.EROFS else "permission denied"
        return MachineError(
            f"{reason}: {exc.filename or path}",
            where=where,
            fix="change its rights" + ("" if reading else ", or choose another folder with --out"),
        )
    if exc.errno in _IN_THE_WAY:
        return MachineError(
            f"something else is in the way: {exc.strerror} ({exc.filename})",
            where=where,
            fix="move it aside, or choose another folder with --out",
        )
    if exc.errno in _NAME:
        return MachineError(f"no file can have this name: {exc.strerror}", where=where, fix="choose another --out")
    return MachineError(f"the disk reports an error: {exc.strerror or exc}", where=where, fix="check the disk")


def _free(path: Path) -> str:
    try:
        return f"{free_bytes(path):,} bytes"
    except OSError:
        return "an unknown number of bytes"
