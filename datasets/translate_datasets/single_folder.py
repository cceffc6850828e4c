"""Pictures without pairs or labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from translate import marked
from translate.data import Array, DataRequest
from translate.pictures import shown
from translate_datasets.folders import Shares, by_stem, check_shares, find_pictures, in_split
from translate_datasets.reading import CacheSize, Channels, Reader, image_spec


@marked(field_names=("image",))
def single_folder(
    request: DataRequest,
    /,
    *,
    root: str,
    channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006 (never changed; a list is what YAML gives)
    cache_mb: CacheSize = 512,
) -> SingleFolder:
    """One folder of pictures, without pairs or labels.

    Layouts: `root/train`, `root/val`, `root/test`, or `root`, which is split by a hash of the stems. Field: `image`.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        channels: Channels of the pictures; found from the pictures when not given (4 only if asked for).
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        DataError: The folder is missing or empty.
    """
    check_shares(shares)
    found = find_pictures(request, root, ())
    paths = by_stem(found.lists[0])
    files = {name: paths[name] for name in in_split(found, sorted(paths), request.split, shares)}
    return SingleFolder(request, files, channels, Reader(cache_mb))


class SingleFolder:
    """Files as a dataset; see `single_folder`."""

    def __init__(self, request: DataRequest, files: Mapping[str, Path], channels: Channels, reader: Reader) -> None:
        self._names = list(files)
        self._paths = list(files.values())
        self._reader = reader
        self.fields = {"image": image_spec(request, self._paths, channels)}

    def __len__(self) -> int:
        return len(self._paths)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """One picture."""
        return {"image": self._reader.read(self._paths[index], self.fields["image"].channels)}

    def name(self, index: int) -> str:
        """The file's stem."""
        return self._names[index]

    def where(self, index: int) -> str:
        """The file."""
        return shown(self._paths[index])
