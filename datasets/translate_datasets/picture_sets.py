"""Pictures by index, wherever they come from: what the datasets of one or several independent sets are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from translate import Image
from translate.data import Array, DataRequest
from translate.pictures import shown
from translate_datasets.folders import Files
from translate_datasets.reading import Channels, Reader, image_spec


class PictureSet(Protocol):
    """Pictures by index, each with a name and perhaps a class. Must be picklable."""

    @property
    def spec(self) -> Image:
        """What the pictures are."""

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes; empty where the pictures have none."""

    @property
    def paths(self) -> Sequence[Path]:
        """The files, in their order; empty where a picture has none of its own."""

    def __len__(self) -> int:
        """Number of pictures."""

    def read(self, index: int) -> Array:
        """A picture, H x W x C. It may be shared and cannot be written to."""

    def label(self, index: int) -> int:
        """The class of a picture, where there are classes."""

    def name(self, index: int) -> str:
        """The stem of files written for a picture."""

    def where(self, index: int) -> str:
        """What to call a picture in a message."""


class FileSet:
    """Picture files.

    Args:
        request: What the pipeline asks for.
        files: The files, at least one.
        channels: Channels of the pictures; found from the pictures when not given.
        reader: Reads them; may be shared between sets.
    """

    def __init__(self, request: DataRequest, files: Files, channels: Channels, reader: Reader) -> None:
        self._files, self._reader = files, reader
        self.spec = image_spec(request, files.paths, channels)
        self.classes: Sequence[str] = files.classes
        self.paths: Sequence[Path] = files.paths

    def __len__(self) -> int:
        return len(self._files.paths)

    def read(self, index: int) -> Array:
        """A picture."""
        return self._reader.read(self._files.paths[index], self.spec.channels)

    def label(self, index: int) -> int:
        """The class of a picture, where there are classes."""
        return self._files.labels[index]

    def name(self, index: int) -> str:
        """The file's stem, with the class before it where there is one."""
        return self._files.names[index]

    def where(self, index: int) -> str:
        """The file."""
        return shown(self._files.paths[index])


class Part:
    """Some of the pictures of a set.

    Args:
        whole: The set.
        indices: Which of its pictures, at least one; kept in ascending order.
    """

    def __init__(self, whole: PictureSet, indices: Iterable[int]) -> None:
        self._whole, self._indices = whole, sorted(indices)
        self.spec = whole.spec
        self.classes: Sequence[str] = whole.classes
        self.paths: Sequence[Path] = [whole.paths[index] for index in self._indices] if whole.paths else []

    def __len__(self) -> int:
        return len(self._indices)

    def read(self, index: int) -> Array:
        """A picture."""
        return self._whole.read(self._indices[index])

    def label(self, index: int) -> int:
        """The class of a picture, where there are classes."""
        return self._whole.label(self._indices[index])

    def name(self, index: int) -> str:
        """The picture's name in the whole set."""
        return self._whole.name(self._indices[index])

    def where(self, index: int) -> str:
        """The picture's place in the whole set."""
        return self._whole.where(self._indices[index])


def fixed_order(count: int, purpose: str) -> list[int]:
    """The same permutation of 0 ... count - 1 for ever, whatever the seed of a run: by a hash of each number.

    >>> fixed_order(5, "halves")
    [3, 1, 2, 0, 4]
    """

    def key(index: int) -> bytes:
        return hashlib.blake2b(f"{purpose} {index}".encode(), digest_size=8).digest()

    return sorted(range(count), key=key)
