"""Pairs drawn by code: label maps of buildings and their pictures. No files, no download, any size, any number.

An example depends on (seed, split, index, size) alone. Its layout and its materials come from separate random streams:
the label map says where a wall is, not whether it is of brick or plaster, what colour it has, how the joints run, what
the panes reflect or on which side the sun stands. A network that only minimises a distance paints the average of all
those; an adversarial term makes it choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field

from translate.data.request import Array, DataRequest, Interpolation, Split
from translate.signatures import marked
from translate.specs import Image
from translate_datasets._drawing.classes import CLASSES, PALETTE
from translate_datasets._drawing.render import draw_pair
from translate_datasets.made import SPLIT_CODES, example_count

__all__ = ["CLASSES", "PALETTE", "Drawn", "drawn"]

Direction = Literal["labels_to_photo", "photo_to_labels"]

DEFAULT_SIZE: Final = (64, 64)
"""Height and width where the pipeline gives none."""

_LAYOUT, _MATERIAL = 0, 1


class Drawn:
    """Label maps of buildings and their pictures, drawn when asked for.

    Args:
        split: Which stream of examples.
        size: Height and width in pixels.
        count: Number of examples.
        direction: Which of the two is `source`.
        seed: Seed of all examples.
        value_range: Range of the images in the batches, for the specs.
    """

    aligned = True
    classes = CLASSES
    palette = PALETTE

    def __init__(
        self,
        *,
        split: Split,
        size: tuple[int, int],
        count: int,
        direction: Direction,
        seed: int,
        value_range: tuple[float, float],
    ) -> None:
        self._split, self._size, self._count, self._seed = split, size, count, seed
        self._names = ("source", "target") if direction == "labels_to_photo" else ("target", "source")
        image = Image(3, *size, *value_range)
        self.fields: Mapping[str, Image] = {"source": image, "target": image}
        labels, photo = self._names
        self.interpolation: Mapping[str, Interpolation] = {labels: "nearest", photo: "area"}

    def __len__(self) -> int:
        return self._count

    def example(self, index: int, generator: np.random.Generator | None = None) -> Mapping[str, Array]:
        """Draw one pair.

        Args:
            index: From 0 to `len(self) - 1`.
            generator: Not used: the same index is the same example.

        Returns:
            `source` and `target`, height x width x 3, uint8.

        Raises:
            IndexError: There is no such example.
        """
        del generator
        if not 0 <= index < self._count:
            msg = f"drawn has examples 0 to {self._count - 1} in '{self._split}' (got {index})"
            raise IndexError(msg)
        pair = draw_pair(self._stream(index, _LAYOUT), self._stream(index, _MATERIAL), self._size)
        found = dict(zip(self._names, pair, strict=True))
        return {name: found[name] for name in self.fields}

    def name(self, index: int) -> str:
        """Stem of files written for this example."""
        return f"{self._split}_{index:06d}"

    def where(self, index: int) -> str:
        """What to call the example in a message."""
        return f"drawn example {index} of '{self._split}' (seed {self._seed})"

    def _stream(self, index: int, part: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, SPLIT_CODES[self._split], index, part])


@marked(field_names=("source", "target"))
def drawn(
    request: DataRequest,
    /,
    *,
    count: Annotated[int, Field(ge=1)] | None = 2000,
    val_count: Annotated[int, Field(ge=1)] = 100,
    test_count: Annotated[int, Field(ge=1)] = 100,
    direction: Direction = "labels_to_photo",
    seed: Annotated[int, Field(ge=0)] | None = None,
) -> Drawn:
    """Pairs drawn by code: label maps of buildings (`source`) and their rendered pictures (`target`).

    Thirteen classes in fixed colours (`PALETTE`); frontal facades in changing materials, light and weather. Any size:
    the layout is in unit coordinates and follows the aspect ratio.

    Args:
        request: Split, size, seed and value range. Without a size: 64 x 64.
        count: Training examples in one epoch; null for no end, every position a new example.
        val_count: Validation examples.
        test_count: Test examples.
        direction: Draw pictures from labels, or read labels from pictures.
        seed: Seed of the drawings; the pipeline's seed when null.

    Returns:
        The data set with the fields `source` and `target`, both of 3 channels.
    """
    return Drawn(
        split=request.split,
        size=request.image_size or DEFAULT_SIZE,
        count=example_count(request.split, train=count, val=val_count, test=test_count),
        direction=direction,
        seed=request.seed if seed is None else seed,
        value_range=request.value_range,
    )
