"""Two folders of pictures of which some are pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from translate import marked
from translate.data import Array, DataRequest
from translate.errors import DataError
from translate.pictures import shown
from translate.specs import Image
from translate_datasets.folders import Files, Found, Shares, by_stem, check_shares, find_pictures, in_split
from translate_datasets.independent import draws, independent_indices, longest
from translate_datasets.paired_folders import Folders, check_shapes
from translate_datasets.picture_sets import FileSet
from translate_datasets.reading import CacheSize, Channels, Reader


@marked(field_names=("source", "target", "a", "b"))
def mixed(
    request: DataRequest,
    /,
    *,
    root: str,
    folders: Folders = ["A", "B"],  # noqa: B006 (never changed; a list is what YAML gives)
    a_channels: Channels = None,
    b_channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006
    cache_mb: CacheSize = 512,
) -> Mixed:
    """Two folders of pictures of which some are pairs: files with the same stem.

    Layouts: `root/train/A` and `root/train/B` (likewise val and test), or `root/A` and `root/B`, which are split by a
    hash of the stems. Fields: `source` and `target`, a pair, with the same geometry after augmentation; `a` and `b`,
    any picture of the first and of the second folder, with or without a partner, each drawn for itself. For the other
    direction, name the folders the other way round.

    An epoch of the training split is the longest of the three lists; what is not walked is drawn at random. For
    validation and test an epoch is the pairs, once each, and `a` and `b` are walked beside them.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        folders: Names of the two folders.
        a_channels: Channels of the first folder (`source` and `a`); found from the pictures when not given.
        b_channels: Channels of the second folder (`target` and `b`), likewise.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        DataError: A folder is missing or empty, no picture has a partner, or all have one (a validation or test folder
            may hold nothing but pairs).
    """
    check_shares(shares)
    found = find_pictures(request, root, folders)
    first, second = (by_stem(request, paths) for paths in found.lists)
    both = sorted(first.keys() & second.keys())
    _check_mixture(found, both, request.split, folders)
    pairs = in_split(found, both, request.split, shares)
    reader, sets = Reader(cache_mb), []
    for paths, channels in ((first, a_channels), (second, b_channels)):
        names = in_split(found, sorted(paths), request.split, shares)
        sets.append(FileSet(request, Files(names, [paths[name] for name in names]), channels, reader))
    return Mixed(request, sets[0], sets[1], pairs)


class Mixed:
    """Pairs and pictures without a partner as a dataset; see `mixed`.

    Args:
        request: Says which split.
        first: All pictures of the first folder.
        second: All pictures of the second folder.
        pairs: The names that occur in both.
    """

    aligned: Final = (("source", "target"), ("a",), ("b",))

    def __init__(self, request: DataRequest, first: FileSet, second: FileSet, pairs: Sequence[str]) -> None:
        self._first, self._second = first, second
        places = [{pictures.name(index): index for index in range(len(pictures))} for pictures in (first, second)]
        self._pairs = [(places[0][name], places[1][name]) for name in pairs]
        self._draws = draws(request)
        self._counts = {"pair": len(pairs), "a": len(first), "b": len(second)}
        self._walked = longest(self._counts) if request.split == "train" else "pair"
        self.fields: Mapping[str, Image] = {
            "source": first.spec, "target": second.spec, "a": first.spec, "b": second.spec
        }  # fmt: skip

    def __len__(self) -> int:
        return self._counts[self._walked]

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """A pair, and two pictures that have nothing to do with it or with one another."""
        found = self._found(index, generator)
        source, target = self._pairs[found["pair"]]
        pair = {"source": self._first.read(source), "target": self._second.read(target)}
        check_shapes(pair, self._both(source, target))
        return {**pair, "a": self._first.read(found["a"]), "b": self._second.read(found["b"])}

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of the pairs, and all files of both folders."""
        first, second = self._first.paths, self._second.paths
        pairs = {"source": [first[a] for a, _ in self._pairs], "target": [second[b] for _, b in self._pairs]}
        return {**pairs, "a": first, "b": second}

    def name(self, index: int) -> str:
        """The name of what is walked: in training the longest list, else the pairs."""
        if self._walked == "pair":
            return self._first.name(self._pairs[index][0])
        return (self._first if self._walked == "a" else self._second).name(index)

    def where(self, index: int) -> str:
        """The files; in training only those of what is walked, as the others are drawn."""
        if not self._draws:
            return self._where(self._found(index))
        if self._walked == "pair":
            return self._both(*self._pairs[index])
        return (self._first if self._walked == "a" else self._second).where(index)

    def where_drawn(self, index: int, generator: np.random.Generator) -> str:
        """All files of the example that the generator gives."""
        return self._where(self._found(index, generator))

    def _found(self, index: int, generator: np.random.Generator | None = None) -> dict[str, int]:
        return independent_indices(self._counts, index, generator if self._draws else None)

    def _where(self, found: Mapping[str, int]) -> str:
        pair, others = self._both(*self._pairs[found["pair"]]), self._both(found["a"], found["b"])
        return pair if pair == others else f"{pair} and {others}"

    def _both(self, first: int, second: int) -> str:
        return f"{self._first.where(first)} and {self._second.where(second)}"


def _check_mixture(found: Found, both: Sequence[str], split: str, folders: Sequence[str]) -> None:
    counts = [f"{len(paths)} in {shown(name)}" for name, paths in zip(folders, found.lists, strict=True)]
    if not both:
        what = f"no picture has a partner of the same stem ({' and '.join(counts)})"
        raise DataError(
            what, where=shown(found.base), fix="name the pairs alike, or use data.dataset: unpaired_folders"
        )
    if all(len(paths) == len(both) for paths in found.lists) and (found.whole or split == "train"):
        what = f"every picture has a partner of the same stem ({' and '.join(counts)})"
        raise DataError(what, where=shown(found.base), fix="use data.dataset: paired_folders, or add pictures without")
