"""What the conformance kit tries the built-in datasets with, where it cannot make it up itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from dataset_files import write_mnist

from translate.pictures import write_picture

SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("dataset", "masked"): {"choices": {"hole": 16, "where": "random"}},
    ("dataset", "multi_domain"): {"choices": {"domains": ["A", "B", "single"]}},
    ("dataset", "transformed_pair"): {"choices": {"transform": "edge"}},
}

ROOTS = {
    "computed_source": "A",
    "idx": "idx",
    "labelled_folders": "classes",
    "masked": "A",
    "mixed": "mixed",
    "side_by_side": "pairs",
    "single_folder": "A",
    "stacked_digits": "idx",
    "transformed_pair": "idx",
}
"""Folders below what `lay_out` makes, by dataset; the others take all of it."""


def lay_out(root: Path) -> Path:
    """A few pictures in each layout that a built-in dataset reads."""
    generator = np.random.default_rng(0)

    def fill(folder: str, names: range, size: tuple[int, ...] = (24, 24, 3)) -> None:
        (root / folder).mkdir(parents=True)
        for name in names:
            write_picture(root / folder / f"{name}.png", generator.integers(0, 256, size, dtype=np.uint8))

    for folder in ("A", "B", "single", "classes/one", "classes/two", "mixed/A"):
        fill(folder, range(6))
    fill("mixed/B", range(3, 9))
    fill("pairs", range(6), (24, 48, 3))
    write_mnist(root / "idx")
    return root
