"""Pictures in MNIST's format."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field

from translate import Image, marked
from translate.data import Array, DataRequest
from translate.errors import ComponentError, DataError
from translate.pictures import as_channels, shown
from translate_datasets.idx_files import IMAGES, LABELS, check_count, find_idx, missing, read_idx
from translate_datasets.independent import Independent
from translate_datasets.layouts import check_root
from translate_datasets.picture_sets import Part, fixed_order
from translate_datasets.reading import Channels

Binarise = Literal["off", "sampled", "threshold"]
ValShare = Annotated[float, Field(ge=0, lt=1)]
VAL_SHARE: Final = 0.1  # 6,000 of MNIST's 60,000
_HALF: Final = 127


@marked(field_names=("image", "label"))
def idx(
    request: DataRequest,
    /,
    *,
    root: str,
    channels: Channels = None,
    val_share: ValShare = VAL_SHARE,
    binarise: Binarise = "off",
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
        binarise: Make every value black or white. `sampled`: white with the probability of its grey, drawn once for
            each pixel of a picture and the same in every run, as the binarised MNIST on which likelihoods are compared
            (Salakhutdinov & Murray 2008, "On the quantitative analysis of deep belief networks"; their own draw is
            another one). `threshold`: white from half on, which is easier to predict, so that its likelihoods do not
            compare.

    Raises:
        ComponentError: Binarised pictures are to be resized, which would make them grey again.
        DataError: A file is missing, one of several, damaged, or not what its name says.
    """
    pictures = open_idx(request, root, channels, val_share, binarise)
    return Independent(request, {"image": pictures}, {"label": "image"})


def open_idx(
    request: DataRequest,
    root: str,
    channels: Channels,
    val_share: float = VAL_SHARE,
    binarise: Binarise = "off",
) -> Part | IdxSet:
    """The pictures of a split.

    Raises:
        ComponentError: As `idx` does.
        DataError: Likewise.
    """
    base = Path(root).expanduser()
    check_root(base)
    part = "t10k" if request.split == "test" else "train"
    file = find_idx(base, part, "images")
    if file is None:
        raise missing(base, part)
    whole = IdxSet(request, file, find_idx(base, part, "labels"), _class_count(base), channels, binarise)
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
        binarise: How values are made black or white.

    Raises:
        ComponentError: Binarised pictures are to be resized.
        DataError: A file is damaged or not what it should be, or there is not one label for each picture.
    """

    def __init__(
        self,
        request: DataRequest,
        file: Path,
        labels: Path | None,
        classes: int,
        channels: Channels,
        binarise: Binarise = "off",
    ) -> None:
        values = read_idx(file, IMAGES)
        self._file, self._pictures = file, values if values.ndim == 4 else values[:, :, :, None]
        self._labels = self._read_labels(labels, classes) if labels else None
        self.classes: Sequence[str] = tuple(map(str, range(classes))) if labels else ()
        self.paths: Sequence[Path] = ()
        count, height, width, found = self._pictures.shape
        if found not in {1, 3, 4}:
            what = f"its pictures have {found} channels ({count}x{height}x{width}x{found}), expected 1, 3 or 4"
            raise DataError(what, where=shown(file), fix="save them as grey, colour, or colour with alpha")
        size, (low, high) = request.image_size or (int(height), int(width)), request.value_range
        if binarise != "off" and size != (height, width):
            raise ComponentError(
                f"binarised pictures keep their size, {height}x{width} (got image_size {size[0]}x{size[1]})",
                where="data.binarise",
                fix="leave out data.image_size, or data.binarise",
            )
        self._binarise: Binarise = binarise
        self._draw = zlib.crc32(b"binarise test" if request.split == "test" else b"binarise train")
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
        picture = as_channels(self._pictures[index], self.spec.channels)
        if self._binarise == "off":
            return picture
        # Of 255 equally likely limits, 0 to 254, a grey of v is above v: white with probability v / 255. The channels
        # of a pixel share its limit: grey stays grey, however many channels it is given in.
        limits = np.random.default_rng([self._draw, index]).integers(0, 255, (*picture.shape[:2], 1))
        white = picture > (limits if self._binarise == "sampled" else _HALF)
        return np.where(white, np.uint8(255), np.uint8(0))

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
