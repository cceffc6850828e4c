"""Datasets of sets that are independent of one another: one set, two unpaired ones, or many domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from translate import Label
from translate.data import Array, DataRequest
from translate.specs import Spec
from translate_datasets.picture_sets import PictureSet


def independent_indices(counts: Mapping[str, int], index: int, generator: np.random.Generator | None) -> dict[str, int]:
    """Which picture of each set an example holds.

    The longest set is walked (the first of several). In training the others are drawn uniformly from the example's
    generator, so that nothing in one set ever comes with something of another for good: neither by number nor by name.
    Where results must compare, they are walked as well, from the start again at their end.

    Args:
        counts: Number of pictures of each set.
        index: The example.
        generator: Draws the others; None = walk them.
    """
    if generator is None:
        return {name: index % count for name, count in counts.items()}
    walked = longest(counts)
    return {name: index if name == walked else int(generator.integers(count)) for name, count in counts.items()}


def draws(request: DataRequest) -> bool:
    """Whether what is not walked is drawn: in training, but not where all problems are looked for."""
    return request.split == "train" and request.problems is None


def longest(counts: Mapping[str, int]) -> str:
    """The name of the largest count, the first of several."""
    return max(counts, key=counts.__getitem__)


class Independent:
    """Sets of pictures as one dataset: an example holds one picture of each, and they have nothing to do with another.

    Args:
        request: Says which split: in training, all but the longest set are drawn at random (see `draws`).
        sets: The pictures of each field.
        labels: Fields that give the class of another field's picture, by name; left out where that has no classes.
    """

    aligned: Final = False

    def __init__(
        self, request: DataRequest, sets: Mapping[str, PictureSet], labels: Mapping[str, str] | None = None
    ) -> None:
        self._sets = dict(sets)
        self._draws = draws(request)
        self._labels = {label: name for label, name in (labels or {}).items() if sets[name].classes}
        self._counts = {name: len(pictures) for name, pictures in sets.items()}
        self._walked = longest(self._counts)
        self.classes: Sequence[str] = next((sets[name].classes for name in self._labels.values()), ())
        self.fields: Mapping[str, Spec] = {
            **{name: pictures.spec for name, pictures in sets.items()},
            **{label: Label(len(sets[name].classes)) for label, name in self._labels.items()},
        }

    def __len__(self) -> int:
        return self._counts[self._walked]

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """One picture of each set, with their classes."""
        found = self._found(index, generator)
        pictures = {name: self._sets[name].read(found[name]) for name in self._sets}
        labels = {key: np.asarray(self._sets[of].label(found[of]), np.int64) for key, of in self._labels.items()}
        return {**pictures, **labels}

    def files(self) -> Mapping[str, Sequence[Path]]:
        """The files of each set that has some."""
        return {name: pictures.paths for name, pictures in self._sets.items() if pictures.paths}

    def name(self, index: int) -> str:
        """The name of the picture of the longest set."""
        return self._sets[self._walked].name(index)

    def where(self, index: int) -> str:
        """The pictures; in training only that of the longest set, as the others are drawn."""
        return self._sets[self._walked].where(index) if self._draws else self._where(self._found(index))

    def where_drawn(self, index: int, generator: np.random.Generator) -> str:
        """All pictures of the example that the generator gives."""
        return self._where(self._found(index, generator))

    def _found(self, index: int, generator: np.random.Generator | None = None) -> dict[str, int]:
        return independent_indices(self._counts, index, generator if self._draws else None)

    def _where(self, found: Mapping[str, int]) -> str:
        return " and ".join(pictures.where(found[name]) for name, pictures in self._sets.items())
