"""Small data on disk for the tests of datasets."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from translate.data import DataRequest
from translate.pictures import write_picture

GENERATOR = np.random.default_rng(0)


def ask(split: Any = "train", image_size: tuple[int, int] | None = (8, 8)) -> DataRequest:
    """What a pipeline would ask for."""
    return DataRequest(split=split, image_size=image_size, seed=0)


def picture(value: int, channels: int = 3, size: tuple[int, int] = (6, 4)) -> np.ndarray:
    """A picture of one value."""
    return np.full((*size, channels), value, np.uint8)


def fill(
    folder: Path, names: Iterable[str], *, first: int = 0, channels: int = 3, size: tuple[int, int] = (6, 4)
) -> None:
    """Pictures of the values from `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        write_picture(folder / name, picture(first + index, channels, size))


def stems(count: int, letter: str = "n") -> list[str]:
    """Names of so many PNG files."""
    return [f"{letter}{index:03}.png" for index in range(count)]


def values(dataset: Any, index: int, generator: np.random.Generator = GENERATOR) -> dict[str, int]:
    """The value of each field of an example: of its picture, or its label."""
    return {name: int(np.asarray(value).flat[0]) for name, value in dataset.example(index, generator).items()}


def write_idx(path: Path, content: np.ndarray) -> None:
    """Write a file of MNIST's format; in gzip where its name says so."""
    header = bytes([0, 0, 8, content.ndim]) + b"".join(size.to_bytes(4, "big") for size in content.shape)
    data = header + content.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def write_mnist(root: Path, train: int = 20, test: int = 6, *, labels: bool = True, suffix: str = "") -> Path:
    """Pictures 5 x 4 of noise, all different; the label of picture i is i % 4."""
    root.mkdir(parents=True, exist_ok=True)
    for seed, (part, count) in enumerate({"train": train, "t10k": test}.items()):
        noise = np.random.default_rng(seed).integers(0, 256, (count, 5, 4), dtype=np.uint8)
        write_idx(root / f"{part}-images-idx3-ubyte{suffix}", noise)
        if labels:
            write_idx(root / f"{part}-labels-idx1-ubyte{suffix}", np.arange(count) % 4)
    return root
