"""Pairs from single files that hold both pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from translate import Image, marked
from translate.data import Array, DataRequest
from translate.errors import DataError
from translate.pictures import as_channels, shown
from translate_datasets.folders import Shares, by_stem, check_shares, find_pictures, in_split
from translate_datasets.paired_folders import Direction, Side
from translate_datasets.reading import CacheSize, Channels, Reader, channels_of, depth_of, look_at


@marked(field_names=("source", "target"))
def side_by_side(
    request: DataRequest,
    /,
    *,
    root: str,
    direction: Direction = "a_to_b",
    source_channels: Channels = None,
    target_channels: Channels = None,
    labels: list[Side] = [],  # noqa: B006 (never changed; a list is what YAML gives)
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006
    cache_mb: CacheSize = 512,
) -> SideBySide:
    """One folder of pictures that each hold a pair: A is the left half, B the right half.

    Layouts: `root/train`, `root/val`, `root/test`, or `root`, which is split by a hash of the stems. Fields: `source`
    and `target`.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        direction: Which half is the source: the left (`a_to_b`) or the right (`b_to_a`).
        source_channels: Channels of the source; found from the pictures when not given (4 only if asked for).
        target_channels: Channels of the target, likewise.
        labels: Fields that are label maps: resized to the nearest pixel, never blended, no photometric changes.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        DataError: The folder is missing or empty, or the width of a picture is odd.
    """
    check_shares(shares)
    found = find_pictures(request, root, ())
    paths = by_stem(request, found.lists[0])
    files = {name: paths[name] for name in in_split(found, sorted(paths), request.split, shares)}
    channels = {"source": source_channels, "target": target_channels}
    return SideBySide(request, files, direction, channels, labels, Reader(cache_mb))


class SideBySide:
    """Files of two halves as a dataset; see `side_by_side`."""

    def __init__(
        self,
        request: DataRequest,
        files: Mapping[str, Path],
        direction: Direction,
        channels: Mapping[str, Channels],
        labels: Sequence[Side],
        reader: Reader,
    ) -> None:
        self._names = list(files)
        self._paths = list(files.values())
        self._reader = reader
        self._left = "source" if direction == "a_to_b" else "target"
        infos = look_at(self._paths, request)
        if not request.skip_bad:
            _check_width(infos[0].width, self.where(0))
        height, width = request.image_size or (infos[0].height, infos[0].width // 2)
        low, high = request.value_range
        counts = {name: channels_of(infos, chosen) for name, chosen in channels.items()}
        self._channels = max(counts.values())
        self.fields = {name: Image(count, height, width, low, high, depth_of(infos)) for name, count in counts.items()}
        self.interpolation = {name: "nearest" if name in labels else "bicubic" for name in counts}

    def __len__(self) -> int:
        return len(self._paths)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """The two halves of a picture."""
        both = self._reader.read(self._paths[index], self._channels)
        _check_width(both.shape[1], self.where(index))
        middle = both.shape[1] // 2
        halves = {"source": both[:, :middle], "target": both[:, middle:]}
        if self._left == "target":
            halves = {"source": halves["target"], "target": halves["source"]}
        where = self.where(index)
        return {name: as_channels(half, self.fields[name].channels, where=where) for name, half in halves.items()}

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files, under one key that is no field's: each of them holds both fields."""
        return {"source and target": self._paths}

    def name(self, index: int) -> str:
        """The file's stem."""
        return self._names[index]

    def where(self, index: int) -> str:
        """The file."""
        return shown(self._paths[index])


def _check_width(width: int, where: str) -> None:
    if width % 2:
        what = f"the picture is {width} pixels wide, which has no two equal halves"
        raise DataError(what, where=where, fix="join the two pictures again, or remove the file")
