"""Stacks of three digits: what is in them, which labels they have, and what may come."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import GENERATOR, ask, write_mnist

from translate.errors import DataError
from translate.specs import Image, Label
from translate_datasets.idx import idx
from translate_datasets.stacked_digits import stacked_digits


def opened(root: Path, split: str, **choices: Any) -> Any:
    return stacked_digits(ask(split, image_size=None), root=str(root), **choices)


def examples(data: Any, seed: int = 0) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [data.example(index, generator) for index in range(len(data))]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_stack_is_three_digits_of_the_split_and_its_label_their_number(tmp_path: Path, split: str) -> None:
    write_mnist(tmp_path, train=40, test=8)
    data, digits = opened(tmp_path, split), idx(ask(split, image_size=None), root=str(tmp_path))
    assert data.fields == {"image": Image(3, 5, 4), "label": Label(64)}
    assert len(data) == len(digits)
    assert data.classes[27] == "123"
    known = {
        digits.example(i, None)["image"].tobytes(): int(digits.example(i, None)["label"]) for i in range(len(digits))
    }
    for index, example in enumerate(examples(data)):
        assert example["image"].dtype == np.uint8
        found = [known[example["image"][:, :, [channel]].tobytes()] for channel in range(3)]
        assert int(example["label"]) == 16 * found[0] + 4 * found[1] + found[2]
        assert np.array_equal(example["image"][:, :, :1], digits.example(index, GENERATOR)["image"])


def test_training_draws_stacks_anew_and_repeats_them_under_a_seed(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=40)
    data = opened(tmp_path, "train")
    first, again, other = (np.stack([e["image"] for e in examples(data, seed)]) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_other_splits_have_always_the_same_stacks_of_different_digits(tmp_path: Path) -> None:
    write_mnist(tmp_path, test=30)
    data = opened(tmp_path, "test")
    first, other = (np.stack([e["image"] for e in examples(data, seed)]) for seed in (0, 1))
    assert np.array_equal(first, other)
    labels = {int(example["label"]) for example in examples(data)}
    assert len(labels) > 15
    for channel in (1, 2):  # each digit stands once in every channel
        assert len({stack[:, :, channel].tobytes() for stack in first}) == 30


def test_all_classes_come_in_training(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=40)
    data = opened(tmp_path, "train", val_share=0)
    seen = {int(example["label"]) for seed in range(40) for example in examples(data, seed)}
    assert seen == set(range(64))


def test_without_labels_there_is_the_picture_alone(tmp_path: Path) -> None:
    write_mnist(tmp_path, labels=False)
    data = opened(tmp_path, "train")
    assert set(data.fields) == {"image"}
    assert set(data.example(0, np.random.default_rng(0))) == {"image"}


def test_names_places_and_copies(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = opened(tmp_path, "test")
    assert data.name(3) == "00003"
    assert data.where(3).startswith("picture 3 of ")
    assert data.where(3).count("picture") == 3
    assert opened(tmp_path, "train").where(0).count("picture") == 1
    train = opened(tmp_path, "train", val_share=0)
    drawn, stack = (made(4, np.random.default_rng(7)) for made in (train.where_drawn, train.example))
    numbers = [int(text.split()[1]) for text in drawn.split(" and ")]
    digits = [idx(ask(image_size=None), root=str(tmp_path), val_share=0).example(n, None)["image"] for n in numbers]
    assert numbers[0] == 4
    assert np.array_equal(stack["image"], np.concatenate(digits, axis=2))
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301  (what worker processes do)
    assert np.array_equal(copy.example(2, GENERATOR)["image"], data.example(2, GENERATOR)["image"])


def test_missing_files_are_refused_as_those_of_idx(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file 'train-images-idx3-ubyte' here"):
        opened(tmp_path, "train")
