"""Where a dataset's pictures lie: root and split folders, hold-out, and errors that say what is there instead.

Two layouts, the same for every dataset of folders (A and B stand for its subfolders; some datasets have none):

- `root/train/A`, `root/val/A`, `root/test/A`: the split that is asked for must exist.
- `root/A`: one list for all. A picture belongs to a split by a hash of its stem, so that adding pictures never moves
  another one from the test list into the training list.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from translate.data import DataRequest
from translate.errors import DataError, did_you_mean
from translate.pictures import ACCEPTED, list_pictures, shown

SPLITS: Final = ("train", "val", "test")
Shares = Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=3, max_length=3)]


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures of a root.

    Attributes:
        base: The folder that holds the subfolders.
        lists: The files of each subfolder, by name; none of the lists is empty.
        whole: Whether these are the pictures of all splits, for want of split folders.
    """

    base: Path
    lists: Sequence[Sequence[Path]]
    whole: bool


def find_pictures(request: DataRequest, root: str, folders: Sequence[str]) -> Found:
    """Find the pictures of a split, or of all where the root has no split folders.

    Args:
        request: Says which split.
        root: The folder that the user gave.
        folders: Subfolders that hold the pictures; empty when they lie in the root or split folder itself.

    Raises:
        DataError: The root is missing, at the wrong level, or holds no pictures. Says what is there.
    """
    base = Path(root).expanduser()
    _check_root(base, folders)
    splits = [name for name in SPLITS if (base / name).is_dir()]
    if not splits:
        return Found(base, _listed(base, folders), whole=True)
    if request.split not in splits:
        what = f"there is no folder '{request.split}' for this split; found {', '.join(splits)}"
        raise DataError(what, where=shown(base), fix=f"make it, or ask for one of {', '.join(splits)}")
    return Found(base / request.split, _listed(base / request.split, folders), whole=False)


def in_split(found: Found, stems: Sequence[str], split: str, shares: Sequence[float]) -> list[str]:
    """Those stems that belong to a split.

    Args:
        found: Where they come from; only a root without split folders is split here.
        stems: All stems.
        split: The split that is asked for.
        shares: Train, val and test shares.

    Raises:
        DataError: None belongs to the split.
    """
    if not found.whole:
        return list(stems)
    held = [name for name in stems if split_of(name, shares) == split]
    if held:
        return held
    counts = Counter(split_of(name, shares) for name in stems)
    listed = ", ".join(f"{name} {counts[name]}" for name in SPLITS)
    what = f"the {split} share of the {len(stems)} pictures is empty ({listed})"
    fix = "add pictures, change data.shares, or make folders train, val and test"
    raise DataError(what, where=shown(found.base), fix=fix)


def stem(path: Path) -> str:
    """A file's stem, in the one Unicode form in which equal names are equal (macOS writes another)."""
    return unicodedata.normalize("NFC", path.stem)


def split_of(name: str, shares: Sequence[float]) -> str:
    """The split of a stem: a fixed number in [0, 1) from its hash, against the shares in their order.

    >>> split_of("cmp_b0005", [0.8, 0.1, 0.1])
    'train'
    """
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    place = int.from_bytes(digest, "big") / 2**64 * sum(shares)
    if place < shares[0]:
        return "train"
    return "val" if place < shares[0] + shares[1] else "test"


def check_shares(shares: Sequence[float]) -> None:
    """Refuse shares that are all zero.

    Raises:
        DataError: They are.
    """
    if not sum(shares) > 0:
        raise DataError(f"the shares {list(shares)} are all zero", where="data.shares", fix="such as [0.8, 0.1, 0.1]")


def by_stem(paths: Sequence[Path]) -> Mapping[str, Path]:
    """Files by stem.

    Raises:
        DataError: Two files have the same stem.
    """
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(stem(path), path)
        if other is not path:
            what = f"two pictures have the same stem: {shown(other.name)} and {shown(path.name)}"
            raise DataError(what, where=shown(path.parent), fix="remove or rename one of them")
    return found


def _check_root(base: Path, folders: Sequence[str]) -> None:
    where = shown(base.absolute())
    if not base.exists():
        parent = base.absolute().parent
        hint = did_you_mean(base.name, _folder_names(parent)) if parent.is_dir() else ""
        raise DataError(f"the folder is not there.{hint}{_contents(parent)}", where=where, fix="set data.root")
    if not base.is_dir():
        raise DataError("this is a file, not a folder", where=where, fix="set data.root to the folder")
    better = _better_root(base.absolute(), folders)
    if better is not None:
        what = f"this is the wrong level: {_layout(folders)} is expected below data.root"
        raise DataError(what, where=where, fix=f"set data.root to {shown(better)}")


def _layout(folders: Sequence[str]) -> str:
    inside = " and ".join(f"'{name}'" for name in folders) or "pictures"
    return f"{inside}, or train, val and test with {inside},"


def _better_root(base: Path, folders: Sequence[str]) -> Path | None:
    """The folder that was probably meant: one of the two above, or one below."""
    if _has_splits(base, folders):
        return None
    if base.name in SPLITS and _has_splits(base.parent, folders, beside=base.name):
        return base.parent
    if _fits(base, folders):
        return None
    for above in (base.parent.parent, base.parent):
        if folders and (base.name in folders or base.name in SPLITS) and _is_root(above, folders):
            return above
    below = [path for name in _folder_names(base) if _is_root(path := base / name, folders)]
    return below[0] if len(below) == 1 else None


def _is_root(base: Path, folders: Sequence[str]) -> bool:
    return _has_splits(base, folders) or _fits(base, folders)


def _has_splits(base: Path, folders: Sequence[str], beside: str = "") -> bool:
    return any(name != beside and _fits(base / name, folders) for name in SPLITS)


def _fits(base: Path, folders: Sequence[str]) -> bool:
    """Whether pictures could be read here."""
    if folders:
        return all((base / name).is_dir() for name in folders)
    return base.is_dir() and os.access(base, os.R_OK) and bool(list_pictures(base))


def _listed(base: Path, folders: Sequence[str]) -> list[list[Path]]:
    for name in folders:
        if not (base / name).is_dir():
            what = f"there is no folder '{name}' here.{did_you_mean(name, _folder_names(base))}{_contents(base)}"
            raise DataError(what, where=shown(base), fix="set data.root, or data.folders to the names that you have")
    lists = [list_pictures(base / name) for name in folders] if folders else [list_pictures(base)]
    for folder, paths in zip([base / name for name in folders] or [base], lists, strict=True):
        if not paths:
            what = f"there are no pictures here.{_contents(folder)}"
            raise DataError(what, where=shown(folder), fix=f"accepted are {ACCEPTED}")
    return lists


def _folder_names(base: Path) -> list[str]:
    try:
        return sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _contents(base: Path) -> str:
    """What a folder holds, in one sentence: its first folders, and its files by suffix."""
    try:
        entries = sorted(path for path in base.iterdir() if not path.name.startswith("."))
    except OSError:
        return ""
    folders = [shown(path.name) for path in entries if path.is_dir()]
    kinds = Counter(path.suffix.lower() or "no suffix" for path in entries if not path.is_dir())
    parts = [f"folders {', '.join(folders[:5])}{' ...' if len(folders) > 5 else ''}"] if folders else []
    parts += [f"{count} files of {shown(kind)}" for kind, count in kinds.most_common(3)]
    name = shown(base.name or str(base))
    return f" Found in {name}: {'; '.join(parts)}." if parts else f" {name} is empty."
