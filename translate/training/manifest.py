"""The manifest of a checkpoint: which files, how large, with which SHA-256; and of itself.

Its text is canonical: any changed bit of it, a space included, makes it another text than the one its content gives.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from translate.errors import ModelFileError
from translate.training import files

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
MAX_JSON: Final = 256 << 20
_MAX_MANIFEST: Final = 1 << 20
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\Z")
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a checkpoint's folder must hold.

    Attributes:
        step: Iterations done.
        files: Size in bytes and SHA-256 by file name.
    """

    step: int
    files: Mapping[str, tuple[int, str]]

    def to_bytes(self) -> bytes:
        """The one text of this manifest."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "step": self.step,
            "files": {name: {"bytes": size, "sha256": sha256} for name, (size, sha256) in sorted(self.files.items())},
        }
        document["sha256"] = hashlib.sha256(_text(document)).hexdigest()
        return _text(document)


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a checkpoint's folder; reads nothing else.

    Raises:
        ModelFileError: It is missing, damaged, from a newer version, or of another step than the folder's name says.
    """
    path = folder / MANIFEST
    size = _regular_size(path)
    if size is None:
        raise ModelFileError(
            "this is not a complete checkpoint: its manifest.json is missing",
            where=str(folder),
            fix="name a folder such as runs/NAME/checkpoints/000500",
        )
    if size > _MAX_MANIFEST:
        raise damaged(path, "size", f"{size:,} bytes, more than {_MAX_MANIFEST:,}")
    raw = path.read_bytes()
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise damaged(path, "content", f"not JSON ({exc})") from exc
    manifest = _parsed(path, document)
    if manifest.to_bytes() != raw:
        raise damaged(path, "sha256", "the text is not the one that was written")
    if folder.name.isdecimal() and int(folder.name) != manifest.step:
        raise damaged(path, "step", f"{manifest.step} in a folder named {folder.name}")
    return manifest


def verify(folder: Path, manifest: Manifest, *, content: bool = True) -> None:
    """Check that the files are there, have their sizes and (when `content`) their hashes; sizes first.

    Raises:
        ModelFileError: One is not as it was written; names it and what differs.
    """
    for name, (size, _) in manifest.files.items():
        found = _regular_size(folder / name)
        if found is None:
            raise damaged(folder / name, "file", "missing, or not a regular file")
        if found != size:
            raise damaged(folder / name, "bytes", f"{found:,} instead of {size:,}")
    for name, (_, sha256) in manifest.files.items() if content else ():
        if files.sha256_of(folder / name) != sha256:
            raise damaged(folder / name, "sha256", "the content is not what was written")


def damaged(path: Path, field: str, found: str) -> ModelFileError:
    """The error for a file of a checkpoint that is not as it was written."""
    return ModelFileError(
        f"the checkpoint is damaged: {path.name}, field '{field}': {found}",
        where=str(path),
        fix="use another checkpoint of this run, or copy it again from where it came",
    )


def _parsed(path: Path, document: Any) -> Manifest:
    if not isinstance(document, dict):
        raise damaged(path, "content", "not a mapping")
    version, step, listed = document.get("format"), document.get("step"), document.get("files")
    if type(version) is int and version > FORMAT:
        raise ModelFileError(
            f"the checkpoint has format {version}; this version reads up to {FORMAT}",
            where=str(path),
            fix="pip install --upgrade translate-images",
        )
    if version != FORMAT:
        raise damaged(path, "format", f"{version!r} instead of {FORMAT}")
    if type(step) is not int or step < 0:
        raise damaged(path, "step", f"{step!r} is not a step")
    if not isinstance(listed, dict):
        raise damaged(path, "files", "not a mapping")
    return Manifest(step=step, files={name: _entry(path, name, entry) for name, entry in listed.items()})


def _entry(path: Path, name: str, entry: Any) -> tuple[int, str]:
    if not _PLAIN_NAME.match(name):
        raise damaged(path, f"files.{name}", "not a plain file name")
    size, sha256 = (entry.get("bytes"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    if type(size) is not int or size < 0:
        raise damaged(path, f"files.{name}.bytes", f"{size!r} is not a size")
    if not isinstance(sha256, str) or not _HASH.match(sha256):
        raise damaged(path, f"files.{name}.sha256", "not a SHA-256")
    return size, sha256


def _regular_size(path: Path) -> int | None:
    """The size of a regular file; None for a missing one, a link, a folder, a device."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode("ascii")
