"""Colour and 16-bit depth, paired and not."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import GENERATOR, ask

from translate.data.stream import Stream, StreamSettings
from translate.pictures import read_picture, write_picture
from translate_datasets.paired_folders import paired_folders
from translate_datasets.unpaired_folders import unpaired_folders

SIZE = (12, 16)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Three colour pictures, and depths that no 8 bits could tell apart: the place of the pixel, plus 20,000."""
    for folder in ("A", "B"):
        (tmp_path / "train" / folder).mkdir(parents=True)
    for index in range(3):
        noise = np.random.default_rng(index).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        write_picture(tmp_path / "train" / "A" / f"{index}.jpg", noise)
        depth = (20_000 + 1000 * index + np.arange(SIZE[0] * SIZE[1])).astype(np.uint16).reshape(*SIZE, 1)
        write_picture(tmp_path / "train" / "B" / f"{index}.png", depth)
    return tmp_path


def levels(batch: dict[str, torch.Tensor], name: str) -> np.ndarray:
    """A field of a batch in 16 bits, N x H x W."""
    return ((batch[name][:, 0].double() + 1) / 2 * 65535).round().numpy().astype(int)


def test_colour_and_depth_are_pairs_and_depth_keeps_its_16_bits(scans: Path) -> None:
    data = paired_folders(ask(image_size=SIZE), root=str(scans))
    assert (data.fields["source"].channels, data.fields["target"].channels) == (3, 1)
    assert data.example(1, GENERATOR)["target"].dtype == np.uint16
    plain = Stream(data, StreamSettings(image_size=SIZE), batch_size=3).examples([0, 1, 2])
    expected = 20_000 + 1000 * np.arange(3)[:, None] + np.arange(SIZE[0] * SIZE[1])
    assert np.array_equal(levels(plain, "target").reshape(3, -1), expected)


def test_augmentation_moves_colour_and_depth_together(scans: Path) -> None:
    data = paired_folders(ask(image_size=(8, 8)), root=str(scans))
    chain: list[Any] = ["HorizontalFlip", {"RandomCrop": 8}]
    stream = Stream(data, StreamSettings(image_size=(8, 8), transforms=chain), batch_size=3)
    colours = [read_picture(scans / "train" / "A" / f"{index}.jpg") for index in range(3)]
    for batch in itertools.islice(stream.batches(), 5):
        for row, depth in enumerate(levels(batch, "target")):
            index = int(depth.min() - 20_000) // 1000
            y, x = np.divmod(depth - 20_000 - 1000 * index, SIZE[1])  # where each pixel came from
            found = ((batch["source"][row] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
            assert np.array_equal(found, colours[index][y, x])


def test_colour_and_depth_without_pairs(scans: Path) -> None:
    data = unpaired_folders(ask(image_size=SIZE), root=str(scans))
    assert (data.fields["a"].channels, data.fields["b"].channels) == (3, 1)
    batch = next(Stream(data, StreamSettings(image_size=SIZE), batch_size=3).batches())
    assert len(np.unique(levels(batch, "b")[0])) == SIZE[0] * SIZE[1]


def test_the_sample_pairs(shared_data: Path) -> None:
    request = ask(image_size=(48, 64))
    data = paired_folders(request, root=str(shared_data / "rgbd"), shares=[1, 0, 0])
    assert len(data) == 5
    assert (data.fields["source"].channels, data.fields["target"].channels) == (3, 1)
    stored = data.example(0, GENERATOR)
    assert (stored["source"].dtype, stored["target"].dtype) == (np.uint8, np.uint16)
    batch = Stream(data, StreamSettings(image_size=(48, 64)), batch_size=5).examples(range(5))
    millimetres = levels(batch, "target")
    assert batch["source"].shape == (5, 3, 48, 64)
    assert len(np.unique(millimetres[0])) > 300  # of 3072 pixels: more than 8 bits could hold
    assert abs(millimetres[0].mean() - stored["target"].mean()) < 20
