"""What datasets that are made by code have in common: a stream of examples for each split, with an end or without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from translate.data.request import Split

UNLIMITED: Final = 2**31 - 1
"""Length of a data set without end: every position is a new example."""

SPLIT_CODES: Final[Mapping[Split, int]] = {"train": 0, "val": 1, "test": 2}
"""The part of a random stream's seed that keeps the splits apart."""


def example_count(split: Split, *, train: int | None, val: int, test: int) -> int:
    """Number of examples of a split.

    Args:
        split: Which one.
        train: Training examples in one epoch; None = no end.
        val: Validation examples.
        test: Test examples.
    """
    return {"train": UNLIMITED if train is None else train, "val": val, "test": test}[split]
