"""Pictures in MNIST's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field

from translate import Image, marked
from translate.data import Array, DataRequest
from translate.errors import DataError
from translate.pictures import as_channels, shown
from translate_datasets.idx_files import IMAGES, LABELS, check_count, find_idx, missing, read_idx
from translate_datasets.independent import Independent
from translate_datasets.layouts import check_root
from translate_datasets.picture_sets import Part, fixed_order
from translate_datasets.reading import Channels

ValShare = Annotated[float, Field(ge=0, lt=1)]
VAL_SHARE: Final = 0.1  # 6,000 of MNIST's 60,000


@marked(field_names=("image", "label"))
def idx(
    request: DataRequest, /, *, root: str, channels: Channels = None, val_share: ValShare = VAL_SHARE
) -> Independent:
    """Pictures in MNIST's format, with their labels: MNIST, Fashion-MNIST, KMNIST and what others save so.

    Files in `root`: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, and the same with `t10k` for the test split;
    in gzip (`.gz`) or not. A name may have something in between (`train-5000-images-idx3-ubyte`,
    `train-images.idx3-ubyte`). Colour is `idx4`: pictures x height x width x channels. Fields: `image`, and `label` if
    there is a file of labels. The dataset's attribute `classes` has the numbers of the classes as texts.

    The validation split is a share of the training file, chosen by a fixed permutation, the same for every seed.

    Args:
        request: What the pipeline asks for.
        root: Folder of the files.
        channels: Channels of the pictures; as in the file when not given.
        val_share: Share of the training file that is the validation split and not trained on.

    Raises:
        DataError: A file is missing, one of several, damaged, or not what its name says.
    """
    return Independent(request, {"image": open_idx(request, root, channels, val_share)}, {"label": "image"})


def open_idx(request: DataRequest, root: str, channels: Channels, val_share: float = VAL_SHARE) -> Part | IdxSet:
    """The pictures of a split.

    Raises:
        DataError: As `idx` does.
    """
    base = Path(root).expanduser()
    check_root(base)
    part = "t10k" if request.split == "test" else "train"
    file = find_idx(base, part, "images")
    if file is None:
        raise missing(base, part)
    whole = IdxSet(request, file, find_idx(base, part, "labels"), _class_count(base), channels)
    if request.split == "test":
        return whole
    order = fixed_order(len(whole), "idx validation")
    held = int(len(whole) * val_share)
    if request.split == "val" and not held:
        what = f"the validation share of {len(whole)} pictures is empty (val_share is {val_share:g})"
        raise DataError(what, where=shown(file), fix="raise data.val_share")
    return Part(whole, order[len(order) - held :] if request.split == "val" else order[: len(order) - held])


class IdxSet:
    """The pictures of one file, all in memory as they are stored.

    Args:
        request: What the pipeline asks for.
        file: The pictures.
        labels: Their labels, if there are any.
        classes: Number of classes; labels beyond are refused.
        channels: Channels of the pictures; as in the file when not given.

    Raises:
        DataError: A file is damaged or not what it should be, or there is not one label for each picture.
    """

    def __init__(self, request: DataRequest, file: Path, labels: Path | None, classes: int, channels: Channels) -> None:
        values = read_idx(file, IMAGES)
        self._file, self._pictures = file, values if values.ndim == 4 else values[:, :, :, None]
        self._labels = self._read_labels(labels, classes) if labels else None
        self.classes: Sequence[str] = tuple(map(str, range(classes))) if labels else ()
        count, height, width, found = self._pictures.shape
        if found not in {1, 3, 4}:
            what = f"its pictures have {found} channels ({count}x{height}x{width}x{found}), expected 1, 3 or 4"
            raise DataError(what, where=shown(file), fix="save them as grey, colour, or colour with alpha")
        size, (low, high) = request.image_size or (int(height), int(width)), request.value_range
        self.spec = Image(channels or int(found), size[0], size[1], low, high)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._pictures.flags.writeable = False  # a copy in another process has lost this

    def _read_labels(self, path: Path, classes: int) -> Array:
        labels = read_idx(path, LABELS)
        check_count(self._file, path, (len(self._pictures), len(labels)))
        if int(labels.max()) >= classes:
            what = f"the label {int(labels.max())} does not occur in training, whose labels are below {classes}"
            raise DataError(what, where=shown(path), fix="take the training and test files of one data set")
        return labels

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, index: int) -> Array:
        """A picture."""
        return as_channels(self._pictures[index], self.spec.channels)

    def label(self, index: int) -> int:
        """The class of a picture, where there are classes."""
        assert self._labels is not None  # asked only where `classes` says so
        return int(self._labels[index])

    def name(self, index: int) -> str:
        """The picture's number in the file."""
        return f"{index:05d}"

    def where(self, index: int) -> str:
        """The file and the picture's number in it."""
        return f"picture {index} of {shown(self._file)}"


def _class_count(base: Path) -> int:
    """One more than the largest label of the training file (of the test file where that is all there is)."""
    for part in ("train", "t10k"):
        path = find_idx(base, part, "labels")
        if path is not None:
            return int(np.max(read_idx(path, LABELS))) + 1
    return 0
