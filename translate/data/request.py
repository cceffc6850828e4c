"""What the core asks of a dataset, and what a dataset is.

A dataset component is a factory `def f(request: DataRequest, /, *, choices) -> Dataset`. Beyond the protocol below, a
dataset may have these attributes:

- `aligned: bool | Sequence[Sequence[str]] = True`. All image fields of one example get the same random geometry; with
  false, each has its own; with groups of names such as `(("source", "target"), ("a",))`, each group has its own.
- `interpolation: Mapping[str, Interpolation]`. How each field is resized where the pipeline does not say; `nearest`
  marks a label map, whose values are never blended and never changed by photometric transforms.
- `where(index) -> str`. The files of an example, for messages about it.
- `where_drawn(index, generator) -> str`, where `example` draws some of its files: all files of the example that the
  same generator gives.
- `files() -> Mapping[str, Sequence[Path]]`. All files of each field, for `translate check`. The files of fields that
  have the same geometry (see `aligned`) stand in the same places. Where a field has another number of files than there
  are examples, example `i` holds file `i % n` of its n when all problems are looked for (`DataRequest.problems`).
- `finish(example, generator) -> Mapping[str, Array]` and `finished: Collection[str]`, the names of the fields that it
  makes. It is for what must be computed from pictures as the networks will see them, such as a hole that is cut out of
  an augmented picture: it gets the fields of `example` after transforms and resizing (images uint8, or float32 in
  [0, 1], not to be written to) and the same generator, and returns the fields named in `finished`. `example` does not
  give those; they have specs in `fields` like all others, and are neither transformed nor resized: images must have the
  size of their spec.
- `batch(indices) -> Mapping[str, Array]`, where no field is an image or made by `finish`, and an example depends on its
  index alone: several examples in one call, each field with one more dimension in front. For examples so small that
  asking for them one by one would take longer than a step of training. Where it raises `DataError`, they are asked for
  one by one, so that the bad one is named, or left out.

A factory whose fields do not depend on the data says their names with `@translate.marked(field_names=("image",))`, so
that misspelt names in a pipeline are found before the data is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from translate.errors import DataError
from translate.specs import Spec

Array = np.ndarray[Any, np.dtype[Any]]
Split = Literal["train", "val", "test"]
Interpolation = Literal["area", "bicubic", "bilinear", "nearest"]


@dataclass(slots=True)
class Problems:
    """What is wrong with the data, where all of it is looked for.

    Attributes:
        errors: Each problem.
        files: Files that the dataset leaves out because of one; they are looked at all the same.
    """

    errors: list[DataError] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataRequest:
    """What the pipeline asks of a dataset.

    Attributes:
        split: Which part of the data.
        image_size: (height, width) that the pipeline works at; None = as the data is.
        seed: Seed of whatever the dataset decides once.
        value_range: Range that images will have in the batches. For the specs; examples stay integers or in [0, 1].
        skip_bad: Whether examples that cannot be read are left out later: one of them is no reason to refuse the data.
        problems: Where given, what is wrong with the data and can be passed over is added to it, so that all of it is
            found at once; otherwise it is raised. See `refuse`. Files that are drawn at random in training are walked
            then, so that each has its turn.
    """

    split: Split
    image_size: tuple[int, int] | None
    seed: int
    value_range: tuple[float, float] = (-1.0, 1.0)
    skip_bad: bool = False
    problems: Problems | None = None

    def refuse(self, error: DataError, files: Iterable[Path] = ()) -> None:
        """Raise what is wrong with the data, or take it down where all problems are looked for.

        Args:
            error: What is wrong.
            files: Those that the dataset goes on without.

        Raises:
            DataError: Nobody asked for all of them.
        """
        if self.problems is None:
            raise error
        self.problems.errors.append(error)
        self.problems.files.extend(files)


@runtime_checkable
class Dataset(Protocol):
    """Examples by index. Must be picklable: worker processes receive a copy."""

    @property
    def fields(self) -> Mapping[str, Spec]:
        """The spec of each field; images have the requested size, or the data's own."""

    def __len__(self) -> int:
        """Examples in one epoch."""

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """One example.

        Args:
            index: From 0 to `len(self) - 1`.
            generator: All randomness of the example; the same generator gives the same example.

        Returns:
            Images H x W x C in uint8, uint16, or float32 in [0, 1], of any size; labels int64 without a dimension;
            vectors float32 with one dimension.
        """

    def name(self, index: int) -> str:
        """The stem of files written for this example."""
