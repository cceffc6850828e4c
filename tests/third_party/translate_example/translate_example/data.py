"""A dataset that needs no files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from translate import Image, Spec
from translate.data import DataRequest


def stripes(request: DataRequest, /, *, count: Annotated[int, Field(ge=1)] = 64) -> Stripes:
    """Pairs: stripes that lie, and the same stripes standing.

    Args:
        request: What the pipeline asks for.
        count: Examples in one epoch.
    """
    return Stripes(request, count)


class Stripes:
    """The dataset behind `stripes`."""

    def __init__(self, request: DataRequest, count: int) -> None:
        self.size = request.image_size or (32, 32)
        self.count = count
        image = Image(3, *self.size, *request.value_range)
        self.fields: Mapping[str, Spec] = {"source": image, "target": image}

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray[Any, Any]]:
        """One pair; the colour depends on the index, the phase on the generator."""
        side = max(self.size)
        phase = int(generator.integers(8))
        lines = ((np.arange(side) + phase) // 4 % 2 * 255).astype(np.uint8)
        lying = np.repeat(lines[:, None], side, axis=1)
        tint = np.array([255, 255 - index % 256, index % 256], dtype=np.uint16)
        pair = [(view[..., None] * tint // 255).astype(np.uint8) for view in (lying, lying.T)]
        height, width = self.size
        return {"source": pair[0][:height, :width], "target": pair[1][:height, :width]}

    def name(self, index: int) -> str:
        """The stem of this example's files."""
        return f"stripes-{index:04}"
