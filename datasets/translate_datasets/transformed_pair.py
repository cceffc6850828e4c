"""Two unpaired domains of which the second is computed: unpaired translation whose right answers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from translate import marked
from translate.data import Array, DataRequest
from translate.errors import DataError
from translate.specs import Spec
from translate_datasets.folders import Shares
from translate_datasets.independent import Independent
from translate_datasets.mappings import TRANSFORMS, Transform, mapped_spec
from translate_datasets.opening import open_pictures
from translate_datasets.picture_sets import Part, PictureSet, fixed_order
from translate_datasets.reading import CacheSize, Channels, Reader


@marked(field_names=("a", "b", "truth_b", "truth_a", "label_a", "label_b"))
def transformed_pair(
    request: DataRequest,
    /,
    *,
    root: str,
    transform: Transform,
    folder: str | None = None,
    channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006 (never changed; a list is what YAML gives)
    cache_mb: CacheSize = 512,
) -> TransformedPair:
    """Two unpaired domains, pictures and transformed pictures, with the hidden truth for measuring.

    The tasks of CoGAN (Liu & Tuzel 2016, arXiv 1606.07536: two halves of the training set without a common
    picture). The pictures of each split are cut into two halves by a fixed permutation. The first half gives `a`, as it
    is; the second gives `b`, transformed. The two are independent, as in the dataset `unpaired_folders`.

    Fields: `a`, `b`; `truth_b`, the transformed `a`; `truth_a`, the picture behind `b`; `label_a` and `label_b` where
    the pictures have classes. `truth_a` and `truth_b` are there for evaluation: a pipeline that trains on them is
    supervised. Transforms are computed after augmentation and resizing, so that the truths hold exactly.

    Layouts: files in MNIST's format (see the dataset `idx`); or `root/train`, `root/val`, `root/test`, or `root`, which
    is split by a hash of the stems, each with or without folders of classes.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        transform: What the second domain is: `edge` (3 x 3 dilation minus picture), `negative`, `rotation` (90 degrees
            counter-clockwise), or `grey` (luma).
        folder: Subfolder that holds the pictures, as A in `root/train/A`; when not given, none.
        channels: Channels of the pictures; found from the pictures when not given.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        ComponentError: A subfolder of idx files is asked for.
        DataError: The pictures are missing or wrong, fewer than two, or grey where their grey is asked for.
    """
    pictures = open_pictures(request, root, folder=folder, channels=channels, shares=shares, reader=Reader(cache_mb))
    return TransformedPair(request, pictures, transform)


class TransformedPair:
    """Two halves of a set of pictures as a dataset; see `transformed_pair`.

    Args:
        request: Says which split.
        pictures: The pictures, at least two.
        transform: What the second domain is.

    Raises:
        DataError: There is one picture only, or its transform is itself.
    """

    finished = ("b", "truth_b")
    aligned = False

    def __init__(self, request: DataRequest, pictures: PictureSet, transform: Transform) -> None:
        if len(pictures) < 2:
            what = f"one picture cannot be cut into two halves ('{request.split}' has no more)"
            raise DataError(what, where=pictures.where(0), fix="add pictures, or change data.shares")
        order = fixed_order(len(pictures), "halves")
        middle = (len(order) + 1) // 2
        self.halves = Part(pictures, order[:middle]), Part(pictures, order[middle:])
        sets = {"a": self.halves[0], "truth_a": self.halves[1]}
        self._drawn = Independent(request, sets, {"label_a": "a", "label_b": "truth_a"})
        self._transform = transform
        mapped = mapped_spec(pictures.spec, transform, pictures.where(0))
        drawn = self._drawn.fields
        self.fields: Mapping[str, Spec] = {"a": drawn["a"], "b": mapped, "truth_b": mapped, **drawn}
        self.classes: Sequence[str] = self._drawn.classes

    def __len__(self) -> int:
        return len(self._drawn)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """A picture of the first half, and one of the second that is still as it was."""
        return self._drawn.example(index, generator)

    def finish(self, example: Mapping[str, Array], generator: np.random.Generator) -> Mapping[str, Array]:
        """Both transformed."""
        transform = TRANSFORMS[self._transform]
        return {"b": transform(example["truth_a"]), "truth_b": transform(example["a"])}

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of both halves, where there are some."""
        return self._drawn.files()

    def name(self, index: int) -> str:
        """The name of `a`'s picture."""
        return self._drawn.name(index)

    def where(self, index: int) -> str:
        """The pictures; in training only that of `a`, as the other is drawn."""
        return self._drawn.where(index)

    def where_drawn(self, index: int, generator: np.random.Generator) -> str:
        """Both pictures of the example that the generator gives."""
        return self._drawn.where_drawn(index, generator)
