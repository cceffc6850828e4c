"""Pairs from two folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from translate import marked
from translate.data import Array, DataRequest
from translate.errors import DataError
from translate.pictures import shown
from translate_datasets.folders import Shares, by_stem, check_shares, find_pictures, in_split
from translate_datasets.reading import CacheSize, Channels, Reader, image_spec

Folders = Annotated[list[str], Field(min_length=2, max_length=2)]
Direction = Literal["a_to_b", "b_to_a"]
Side = Literal["source", "target"]

_MIXED: Final = "use data.dataset: mixed, which takes pictures without a partner as well"


@marked(field_names=("source", "target"))
def paired_folders(
    request: DataRequest,
    /,
    *,
    root: str,
    folders: Folders = ["A", "B"],  # noqa: B006 (never changed; a list is what YAML gives)
    direction: Direction = "a_to_b",
    source_channels: Channels = None,
    target_channels: Channels = None,
    labels: list[Side] = [],  # noqa: B006
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006
    cache_mb: CacheSize = 512,
) -> PairedFolders:
    """Two folders of pictures; files with the same stem are a pair.

    Layouts: `root/train/A` and `root/train/B` (likewise val and test), or `root/A` and `root/B`, which are split by a
    hash of the stems. Fields: `source` and `target`.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        folders: Names of the two folders.
        direction: Which folder is the source: the first (`a_to_b`) or the second (`b_to_a`).
        source_channels: Channels of the source; found from the pictures when not given (4 only if asked for).
        target_channels: Channels of the target, likewise.
        labels: Fields that are label maps: resized to the nearest pixel, never blended, no photometric changes.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        DataError: A folder is missing or empty, or pictures have no partner. Lists the first of them.
    """
    check_shares(shares)
    found = find_pictures(request, root, folders)
    partners = _paired(request, found.lists[0], found.lists[1])
    names = in_split(found, sorted(partners), request.split, shares)
    pairs = [partners[name] for name in names]
    if direction == "b_to_a":
        pairs = [(second, first) for first, second in pairs]
    channels = {"source": source_channels, "target": target_channels}
    return PairedFolders(request, names, pairs, channels, labels, Reader(cache_mb))


class PairedFolders:
    """Pairs of files as a dataset; see `paired_folders`."""

    def __init__(
        self,
        request: DataRequest,
        names: Sequence[str],
        pairs: Sequence[tuple[Path, Path]],
        channels: Mapping[str, Channels],
        labels: Sequence[Side],
        reader: Reader,
    ) -> None:
        self._names = names
        self._pairs = pairs
        self._reader = reader
        columns = {"source": [pair[0] for pair in pairs], "target": [pair[1] for pair in pairs]}
        self.fields = {name: image_spec(request, paths, channels[name]) for name, paths in columns.items()}
        self.interpolation = {name: "nearest" if name in labels else "bicubic" for name in columns}

    def __len__(self) -> int:
        return len(self._pairs)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """The two pictures of a pair."""
        source, target = self._pairs[index]
        pair = {
            "source": self._reader.read(source, self.fields["source"].channels),
            "target": self._reader.read(target, self.fields["target"].channels),
        }
        check_shapes(pair, self.where(index))
        return pair

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of both folders, partners in the same places."""
        return {"source": [pair[0] for pair in self._pairs], "target": [pair[1] for pair in self._pairs]}

    def name(self, index: int) -> str:
        """The stem that the two files share."""
        return self._names[index]

    def where(self, index: int) -> str:
        """The two files."""
        return " and ".join(shown(path) for path in self._pairs[index])


def _paired(request: DataRequest, first: Sequence[Path], second: Sequence[Path]) -> dict[str, tuple[Path, Path]]:
    """All pairs by stem, also those of other splits: a picture without a partner is wrong in any of them."""
    left, right = by_stem(request, first), by_stem(request, second)
    alone = [sorted(left.keys() - right.keys()), sorted(right.keys() - left.keys())]
    if any(alone):
        sides = [
            f"{len(stems)} of {len(paths)} in {shown(paths[0].parent.name)}{_first(stems)}"
            for stems, paths in zip(alone, (first, second), strict=True)
        ]
        what = f"pictures without a partner of the same stem: {'; '.join(sides)}"
        where = f"{shown(first[0].parent)} and {shown(second[0].parent)}"
        error = DataError(what, where=where, fix=f"add the partners, remove these pictures, or {_MIXED}")
        request.refuse(error, [left[name] for name in alone[0]] + [right[name] for name in alone[1]])
        if len(alone[0]) == len(left):
            raise error
    return {name: (path, right[name]) for name, path in left.items() if name in right}


def _first(stems: Sequence[str]) -> str:
    listed = ", ".join(shown(name) for name in stems[:5])
    return f" ({listed}{' ...' if len(stems) > 5 else ''})" if stems else ""


def check_shapes(pair: Mapping[str, Array], where: str) -> None:
    """Another resolution is fine, another shape is a wrong pair: half a pixel of rounding is allowed for.

    Args:
        pair: `source` and `target`.
        where: What to call the pair.

    Raises:
        DataError: The two have different shapes.
    """
    (h1, w1), (h2, w2) = pair["source"].shape[:2], pair["target"].shape[:2]
    if abs(h1 * w2 - h2 * w1) > max(h1, w1, h2, w2):
        what = f"the pictures of a pair have different shapes: {h1}x{w1} and {h2}x{w2} (height x width)"
        raise DataError(what, where=where, fix="crop one of them, or remove the pair")
