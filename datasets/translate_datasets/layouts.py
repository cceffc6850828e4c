"""Which folders hold a dataset's pictures, and errors that say what is there instead.

The layouts, the same for every dataset of folders (A and B stand for its subfolders; some datasets have none):

- `root/train/A`, `root/val/A`, `root/test/A`: the split that is asked for must exist.
- `root/trainA`, `root/testA`, for datasets that take CycleGAN's layout: likewise.
- `root/A`: the pictures of all splits.

Where the pictures have classes, each of these folders holds one subfolder per class.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from translate.data import DataRequest
from translate.errors import DataError, did_you_mean
from translate.pictures import ACCEPTED, list_pictures, shown

SPLITS: Final = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Layout:
    """What is expected below a root.

    Attributes:
        folders: Subfolders that hold the pictures; empty when they lie in the root or split folder itself.
        joined: Whether `root/trainA` may stand for `root/train/A`.
        classes: Whether there is one subfolder per class; None = if there are no pictures beside them.
    """

    folders: tuple[str, ...] = ()
    joined: bool = False
    classes: bool | None = False

    def inside(self, base: Path) -> list[Path]:
        """The folders for the pictures of a root or split folder, whether they are there or not."""
        return [base / name for name in self.folders] or [base]

    def fits(self, base: Path) -> bool:
        """Whether pictures could be read here."""
        if self.folders:
            return all(folder.is_dir() for folder in self.inside(base))
        if not (base.is_dir() and os.access(base, os.R_OK)):
            return False
        return (not self.classes and _has_pictures(base)) or (self.classes is not False and _has_classes(base))

    def splits(self, base: Path) -> dict[str, list[Path]]:
        """The split folders of a root, each with the folders that are expected in it."""
        found = {
            name: self.inside(base / name)
            for name in SPLITS
            # A folder 'train' among classes may be one: of trains.
            if (base / name).is_dir() and (self.classes is False or self.fits(base / name))
        }
        if found or not self.joined:
            return found
        joined = {name: [base / f"{name}{folder}" for folder in self.folders] for name in SPLITS}
        return {name: folders for name, folders in joined.items() if any(folder.is_dir() for folder in folders)}

    def has_splits(self, base: Path, *, beside: str = "") -> bool:
        """Whether this is a root with split folders that hold what is expected."""
        if any(name != beside and self.fits(base / name) for name in SPLITS):
            return True
        joined = self.splits(base).values() if self.joined else ()
        return any(all(folder.is_dir() for folder in folders) for folders in joined)

    def is_root(self, base: Path) -> bool:
        """Whether this could be a root."""
        return self.has_splits(base) or self.fits(base)

    def __str__(self) -> str:
        things = "one folder per class" if self.classes else "pictures"
        inside = " and ".join(f"'{name}'" for name in self.folders) or things
        return f"{inside}, or train, val and test with {inside},"


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that hold pictures.

    Attributes:
        base: The root, or the folder of the split.
        folders: One for each of the layout's folders; all exist.
        whole: Whether these hold the pictures of all splits, for want of split folders.
        every: The same folders in each split that there is, as far as they exist.
    """

    base: Path
    folders: Sequence[Path]
    whole: bool
    every: Sequence[Sequence[Path]]


def find_places(request: DataRequest, root: str, layout: Layout) -> Places:
    """Find the folders of a split, or those of all where the root has no split folders.

    Args:
        request: Says which split.
        root: The folder that the user gave.
        layout: What is expected in it.

    Raises:
        DataError: The root or one of the folders is missing, or the root is at the wrong level. Says what is there.
    """
    base = Path(root).expanduser()
    check_root(base)
    better = _better_root(base.absolute(), layout)
    if better is not None:
        what = f"this is the wrong level: {layout} is expected below data.root"
        raise DataError(what, where=shown(base.absolute()), fix=f"set data.root to {shown(better)}")
    splits = layout.splits(base)
    folders = splits.get(request.split, layout.inside(base))
    if splits and request.split not in splits:
        what = f"there is no folder '{request.split}' for this split; found {', '.join(splits)}"
        raise DataError(what, where=shown(base), fix=f"make it, or ask for one of {', '.join(splits)}")
    for folder in folders:
        if not folder.is_dir():
            here = folder.parent
            what = f"there is no folder '{folder.name}' here.{did_you_mean(folder.name, folder_names(here))}"
            fix = "set data.root, or name the folders that you have"
            raise DataError(f"{what}{contents(here)}", where=shown(here), fix=fix)
    every = [[folder for folder in places if folder.is_dir()] for places in splits.values()] or [folders]
    inside = base / request.split
    return Places(inside if splits and inside.is_dir() else base, folders, not splits, every)


def check_root(base: Path) -> None:
    """Refuse a root that is no folder.

    Raises:
        DataError: It is missing, or a file.
    """
    where = shown(base.absolute())
    if not base.exists():
        parent = base.absolute().parent
        hint = did_you_mean(base.name, folder_names(parent)) if parent.is_dir() else ""
        raise DataError(f"the folder is not there.{hint}{contents(parent)}", where=where, fix="set data.root")
    if not base.is_dir():
        raise DataError("this is a file, not a folder", where=where, fix="set data.root to the folder")


def listed(folder: Path) -> list[Path]:
    """The pictures of a folder, not recursive.

    Raises:
        DataError: There are none.
    """
    paths = list_pictures(folder)
    if not paths:
        fix = f"accepted are {ACCEPTED}"
        raise DataError(f"there are no pictures here.{contents(folder)}", where=shown(folder), fix=fix)
    return paths


def folder_names(base: Path) -> list[str]:
    """The folders in a folder, without hidden ones; none where it cannot be listed."""
    try:
        return sorted(path.name for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def contents(base: Path) -> str:
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


def _better_root(base: Path, layout: Layout) -> Path | None:
    """The folder that was probably meant: one of the two above, or one below."""
    if layout.has_splits(base):
        return None
    if base.name in SPLITS and layout.has_splits(base.parent, beside=base.name):
        return base.parent
    if layout.fits(base):
        return None
    return next(_above(base, layout), None) or _below(base, layout)


def _above(base: Path, layout: Layout) -> Iterator[Path]:
    names = {*layout.folders, *SPLITS, *(f"{split}{name}" for split in SPLITS for name in layout.folders)}
    if layout.folders and base.name in names:
        yield from (above for above in (base.parent.parent, base.parent) if layout.is_root(above))
    elif layout.classes and _has_pictures(base):  # a class, where split folders show that it is one
        yield from (above for above in list(base.parents)[2:0:-1] if layout.has_splits(above))


def _below(base: Path, layout: Layout) -> Path | None:
    found = [path for name in folder_names(base) if layout.is_root(path := base / name)]
    return found[0] if len(found) == 1 else None


def _has_pictures(base: Path) -> bool:
    return base.is_dir() and os.access(base, os.R_OK) and bool(list_pictures(base))


def _has_classes(base: Path) -> bool:
    return any(_has_pictures(base / name) for name in folder_names(base))
