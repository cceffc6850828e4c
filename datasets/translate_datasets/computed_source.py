"""Pairs whose source is computed from the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from translate import Image, marked
from translate.data import Array, DataRequest
from translate_datasets.folders import Shares
from translate_datasets.mappings import TRANSFORMS, Transform, mapped_spec
from translate_datasets.opening import open_pictures
from translate_datasets.picture_sets import PictureSet
from translate_datasets.reading import CacheSize, Channels, Reader


@marked(field_names=("source", "target"))
def computed_source(
    request: DataRequest,
    /,
    *,
    root: str,
    transform: Transform = "grey",
    folder: str | None = None,
    channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006 (never changed; a list is what YAML gives)
    cache_mb: CacheSize = 512,
) -> ComputedSource:
    """Pairs of a picture, the `target`, and a `source` that is computed from it: `grey` for colourisation.

    Layouts: `root/train`, `root/val`, `root/test`, or `root`, which is split by a hash of the stems, each with or
    without folders of classes; or files in MNIST's format (see the dataset `idx`). The source is computed after
    augmentation and resizing, so that it belongs to the target exactly.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        transform: How the source comes from the picture: `grey` (luma), `edge` (3 x 3 dilation minus picture),
            `negative`, or `rotation` (90 degrees counter-clockwise).
        folder: Subfolder that holds the pictures, as A in `root/train/A`; when not given, none.
        channels: Channels of the target; found from the pictures when not given.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        ComponentError: A subfolder of idx files is asked for.
        DataError: The pictures are missing or wrong, or grey where their grey is asked for.
    """
    pictures = open_pictures(request, root, folder=folder, channels=channels, shares=shares, reader=Reader(cache_mb))
    return ComputedSource(pictures, transform)


class ComputedSource:
    """Pictures and what is computed from them as a dataset; see `computed_source`."""

    finished = ("source",)

    def __init__(self, pictures: PictureSet, transform: Transform) -> None:
        self._pictures, self._transform = pictures, transform
        source = mapped_spec(pictures.spec, transform, pictures.where(0))
        self.fields: Mapping[str, Image] = {"source": source, "target": pictures.spec}

    def __len__(self) -> int:
        return len(self._pictures)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """The picture."""
        return {"target": self._pictures.read(index)}

    def finish(self, example: Mapping[str, Array], generator: np.random.Generator) -> Mapping[str, Array]:
        """What is computed from it."""
        return {"source": TRANSFORMS[self._transform](example["target"])}

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of the target, where there are some."""
        return {"target": self._pictures.paths} if self._pictures.paths else {}

    def name(self, index: int) -> str:
        """The picture's name."""
        return self._pictures.name(index)

    def where(self, index: int) -> str:
        """The picture's file."""
        return self._pictures.where(index)
