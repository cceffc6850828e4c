"""Second domains that are computed from a first: exact maps of pictures, whose right answers are known.

The operations `edges`, `negative` and `rotate` of pipelines have the same definitions. All work on pictures H x W x C
in uint8, uint16, or float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from translate import Image
from translate.data import Array
from translate.errors import DataError
from translate.pictures import as_channels

Transform = Literal["edge", "grey", "negative", "rotation"]


def edge(image: Array) -> Array:
    """Dilation by 3 x 3 minus the picture, each channel for itself: an outline around what is bright.

    As in the edge task of CoGAN (Liu & Tuzel 2016, arXiv 1606.07536). At a border the window is cut off:
    what lies outside does not count, as in max-pooling with padding.
    """
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))  # black never wins against the pixel in the middle
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    dilated = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    outline: Array = dilated - image
    return outline


def negative(image: Array) -> Array:
    """White minus the picture."""
    result: Array = np.array(_white(image), image.dtype) - image
    return result


def rotation(image: Array) -> Array:
    """Turned by 90 degrees counter-clockwise: the right side becomes the top."""
    return np.ascontiguousarray(np.rot90(image))


def grey(image: Array) -> Array:
    """One channel of luma (ITU-R 601-2), as `translate.pictures.as_channels` computes it."""
    return as_channels(image, 1)


TRANSFORMS: Final[Mapping[str, Callable[[Array], Array]]] = {
    "edge": edge,
    "grey": grey,
    "negative": negative,
    "rotation": rotation,
}


def mapped_spec(spec: Image, transform: Transform, where: str) -> Image:
    """What a transform makes of a picture.

    Args:
        spec: The picture.
        transform: The transform.
        where: What to call the pictures in a message.

    Raises:
        DataError: It makes nothing of them: only colour has a grey that is something else.
    """
    if transform == "rotation":
        return replace(spec, height=spec.width, width=spec.height)
    if transform != "grey":
        return spec
    if spec.channels not in {3, 4}:
        what = f"the pictures have {spec.channels} channel{'s' * (spec.channels > 1)}: only colour becomes grey"
        raise DataError(what, where=where, fix="use colour pictures, set data.channels to 3, or another transform")
    return replace(spec, channels=1)


def _white(image: Array) -> float:
    return 1.0 if image.dtype == np.float32 else float(np.iinfo(image.dtype).max)
