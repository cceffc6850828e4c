"""Pictures with a hole, for context encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from translate import Image, marked
from translate.data import Array, DataRequest
from translate.data.resize import as_unit
from translate.errors import ComponentError, DataError
from translate_datasets.folders import Shares
from translate_datasets.opening import open_pictures
from translate_datasets.picture_sets import PictureSet
from translate_datasets.reading import CacheSize, Channels, Reader

Place = Literal["center", "random"]
Fill = Literal["mean", "black", "grey", "white"]

_AVERAGED: Final = 256  # pictures, spread over the list: the mean of thousands is no different
_LEVELS: Final = {"black": 0.0, "grey": 0.5, "white": 1.0}


@marked(field_names=("image", "masked", "mask", "hole"))
def masked(
    request: DataRequest,
    /,
    *,
    root: str,
    hole: Annotated[int, Field(ge=1)] = 64,
    where: Place = "center",
    overlap: Annotated[int, Field(ge=0)] = 4,
    fill: Fill = "mean",
    folder: str | None = None,
    channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006 (never changed; a list is what YAML gives)
    cache_mb: CacheSize = 512,
) -> Masked:
    """Pictures with a square hole, for context encoders (Pathak et al. 2016, arXiv 1604.07379).

    Fields: `image`, the picture; `masked`, the picture with the hole filled; `mask`, one channel, white where it is
    filled and black elsewhere; `hole`, what the picture shows there, hole x hole pixels. The filled region is smaller
    than the hole by `overlap` pixels on each side, so that the prediction of the hole overlaps what is known. All four
    are cut from the same picture after augmentation and resizing.

    Layouts: `root/train`, `root/val`, `root/test`, or `root`, which is split by a hash of the stems, each with or
    without folders of classes; or files in MNIST's format (see the dataset `idx`).

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        hole: Side of the hole in pixels, at data.image_size. The default is the paper's, of pictures of 128.
        where: In the centre, or anywhere in the picture.
        overlap: Pixels by which the filled region is smaller on each side. The default is that of the authors' code.
        fill: What the hole is filled with: the mean colour of the training pictures (of 256 of them), or a colour.
        folder: Subfolder that holds the pictures, as A in `root/train/A`; when not given, none.
        channels: Channels of the pictures; found from the pictures when not given.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        ComponentError: The hole does not fit into the pictures, nothing of it is left to fill, or a subfolder of idx
            files is asked for.
        DataError: The pictures are missing or wrong; with `fill: mean`, also those of the training split.
    """
    reader = Reader(cache_mb)

    def opened(of: DataRequest, count: Channels = channels) -> PictureSet:
        return open_pictures(of, root, folder=folder, channels=count, shares=shares, reader=reader)

    pictures = opened(request)
    count = pictures.spec.channels
    _check_hole(pictures.spec, hole, overlap)
    if fill != "mean":
        return Masked(pictures, hole, where, overlap, [_LEVELS[fill]] * count)
    if request.split == "train":
        return Masked(pictures, hole, where, overlap, mean_colour(pictures, skip_bad=request.skip_bad))
    try:
        training = opened(replace(request, split="train"), count)
    except DataError as exc:
        what = f"data.fill is the mean colour of the training pictures, which cannot be opened: {exc.what}"
        fix = f"{exc.fix}; or choose another data.fill" if exc.fix else "choose another data.fill"
        raise DataError(what, where=exc.where, fix=fix) from exc
    return Masked(pictures, hole, where, overlap, mean_colour(training, skip_bad=request.skip_bad))


class Masked:
    """Pictures and their holes as a dataset; see `masked`.

    Args:
        pictures: The complete pictures.
        hole: Side of the hole.
        place: Where it is.
        overlap: How much of it is not filled, on each side.
        colour: What it is filled with: a value in [0, 1] for each channel.
    """

    finished: Final = ("masked", "mask", "hole")

    def __init__(self, pictures: PictureSet, hole: int, place: Place, overlap: int, colour: Sequence[float]) -> None:
        self._pictures, self._hole, self._place, self._overlap = pictures, hole, place, overlap
        self.colour = tuple(colour)
        spec = pictures.spec
        self.fields: Mapping[str, Image] = {
            "image": spec,
            "masked": spec,
            "mask": Image(1, spec.height, spec.width, spec.low, spec.high),
            "hole": replace(spec, height=hole, width=hole),
        }

    def __len__(self) -> int:
        return len(self._pictures)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """The complete picture."""
        return {"image": self._pictures.read(index)}

    def finish(self, example: Mapping[str, Array], generator: np.random.Generator) -> Mapping[str, Array]:
        """Cut the hole, and fill it but for the overlap."""
        image = example["image"]
        height, width = image.shape[:2]
        top, left = self._corner(height - self._hole, width - self._hole, generator)
        inner = (
            slice(top + self._overlap, top + self._hole - self._overlap),
            slice(left + self._overlap, left + self._hole - self._overlap),
        )
        colour = np.array(self.colour, np.float32)
        filled, mask = image.copy(), np.zeros((height, width, 1), np.uint8)
        filled[inner] = np.rint(colour * 255) if image.dtype == np.uint8 else colour
        mask[inner] = 255
        return {"masked": filled, "mask": mask, "hole": image[top : top + self._hole, left : left + self._hole]}

    def _corner(self, height: int, width: int, generator: np.random.Generator) -> tuple[int, int]:
        """The upper left corner of the hole, where so many rows and columns are left over."""
        if self._place == "center":
            return height // 2, width // 2
        return int(generator.integers(height + 1)), int(generator.integers(width + 1))

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of the complete pictures, where there are some."""
        return {"image": self._pictures.paths} if self._pictures.paths else {}

    def name(self, index: int) -> str:
        """The picture's name."""
        return self._pictures.name(index)

    def where(self, index: int) -> str:
        """The picture's file."""
        return self._pictures.where(index)


def mean_colour(pictures: PictureSet, *, skip_bad: bool = False) -> list[float]:
    """The mean of some pictures, each with the same weight, in [0, 1] for each channel.

    Args:
        pictures: The set.
        skip_bad: Whether those that cannot be read are passed over.

    Raises:
        DataError: One of them cannot be read, or with `skip_bad`, none can.
    """
    step = max(1, len(pictures) // _AVERAGED)
    chosen = range(0, len(pictures), step)[:_AVERAGED]
    means = []
    for index in chosen:
        try:
            means.append(as_unit(pictures.read(index)).mean(axis=(0, 1), dtype=np.float64))
        except DataError:
            if not skip_bad or (index == chosen[-1] and not means):
                raise
    return [float(value) for value in np.mean(means, axis=0)]


def _check_hole(spec: Image, hole: int, overlap: int) -> None:
    if hole > min(spec.height, spec.width):
        what = f"a hole of {hole} does not fit into pictures of {spec.height}x{spec.width} (height x width)"
        raise ComponentError(what, where="data.hole", fix="make it smaller, or set data.image_size")
    if 2 * overlap >= hole:
        what = f"an overlap of {overlap} on each side leaves nothing of a hole of {hole} to fill"
        raise ComponentError(what, where="data.overlap", fix=f"use {(hole - 1) // 2} or less")
    if overlap == 0 and hole == spec.height == spec.width:
        what = f"a hole of {hole} is all of a picture of {spec.height}x{spec.width}: nothing is left to see"
        raise ComponentError(what, where="data.hole", fix="make it smaller")
