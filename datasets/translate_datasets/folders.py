"""The pictures of a root, their classes, and the share of them that belongs to a split.

Where a root has no split folders (see `layouts`), a picture belongs to a split by a hash of its stem, so that adding
pictures never moves another one from the test list into the training list.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from translate.data import DataRequest
from translate.errors import DataError
from translate.pictures import list_pictures, shown
from translate_datasets.layouts import SPLITS, Layout, Places, contents, find_places, folder_names, listed

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


@dataclass(frozen=True, slots=True)
class Files:
    """The pictures of one folder that belong to a split.

    Attributes:
        names: The stems, with the class before them where there are classes.
        paths: The files.
        classes: Names of the classes, the same in every split; empty where there are none.
        labels: The class of each picture, by number; empty where there are none.
    """

    names: Sequence[str]
    paths: Sequence[Path]
    classes: tuple[str, ...] = ()
    labels: Sequence[int] = ()


def find_pictures(request: DataRequest, root: str, folders: Sequence[str]) -> Found:
    """Find the pictures of a split, or of all where the root has no split folders.

    Args:
        request: Says which split.
        root: The folder that the user gave.
        folders: Subfolders that hold the pictures; empty when they lie in the root or split folder itself.

    Raises:
        DataError: The root is missing, at the wrong level, or holds no pictures. Says what is there.
    """
    places = find_places(request, root, Layout(tuple(folders)))
    return Found(places.base, [listed(folder) for folder in places.folders], places.whole)


def find_files(request: DataRequest, root: str, layout: Layout, shares: Sequence[float]) -> list[Files]:
    """The pictures of a split, folder by folder. Folders are independent: nothing in them has to match.

    Args:
        request: Says which split.
        root: The folder that the user gave.
        layout: What is expected in it.
        shares: Train, val and test shares for a root without split folders.

    Raises:
        DataError: The root is missing or at the wrong level, a folder (of a class) holds no pictures, there are no
            classes, or the split's share is empty.
    """
    check_shares(shares)
    places = find_places(request, root, layout)
    classes = _classes(places, layout)
    return [_files(request, folder, classes, places, shares) for folder in places.folders]


def in_split(found: Found | Places, stems: Sequence[str], split: str, shares: Sequence[float]) -> list[str]:
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
    by_split = ", ".join(f"{name} {counts[name]}" for name in SPLITS)
    what = f"the {split} share of the {len(stems)} pictures is empty ({by_split})"
    fix = "add pictures, change data.shares, or make folders train, val and test"
    raise DataError(what, where=shown(found.base), fix=fix)


def stem(path: Path) -> str:
    """A file's stem, in its normal form."""
    return _normal(path.stem)


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


def by_stem(request: DataRequest, paths: Sequence[Path]) -> Mapping[str, Path]:
    """Files by stem.

    Args:
        request: Told of two files that have the same stem; the first of them counts where it takes that.
        paths: The files.

    Raises:
        DataError: Two files have the same stem.
    """
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(stem(path), path)
        if other is not path:
            what = f"two pictures have the same stem: {shown(other.name)} and {shown(path.name)}"
            request.refuse(DataError(what, where=shown(path.parent), fix="remove or rename one of them"), [path])
    return found


def _classes(places: Places, layout: Layout) -> tuple[str, ...] | None:
    """The class folders of all splits and folders: a class has one number wherever it occurs. None = no classes."""
    if layout.classes is False:
        return None
    every = [folder for folders in places.every for folder in folders]
    names = {_normal(name) for folder in every for name in folder_names(folder)}
    if layout.classes is None and (not names or any(list_pictures(folder) for folder in every)):
        return None
    return tuple(sorted(names))


def _files(
    request: DataRequest, folder: Path, classes: tuple[str, ...] | None, places: Places, shares: Sequence[float]
) -> Files:
    split = request.split
    if classes is None:
        paths = by_stem(request, listed(folder))
        names = in_split(places, sorted(paths), split, shares)
        return Files(names, [paths[name] for name in names])
    inside = {_normal(name): folder / name for name in folder_names(folder)}
    if not inside:
        what = f"there are no class folders here.{contents(folder)}"
        raise DataError(what, where=shown(folder), fix="make one subfolder per class, or read them without classes")
    # The class is part of what is hashed: 0001 of one class says nothing about 0001 of another.
    known = {
        f"{name}/{key}": (path, classes.index(name))
        for name, below in inside.items()
        for key, path in sorted(by_stem(request, listed(below)).items())
    }
    keys = in_split(places, list(known), split, shares)
    paths_, labels = zip(*(known[key] for key in keys), strict=True)
    return Files([key.replace("/", "_") for key in keys], paths_, classes, labels)


def _normal(name: str) -> str:
    """A name in the one Unicode form in which equal names are equal (macOS writes another)."""
    return unicodedata.normalize("NFC", name)
