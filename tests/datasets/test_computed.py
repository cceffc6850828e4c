"""Computed domains: the exact maps, aligned pairs, and unpaired halves with a hidden truth."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dataset_files import GENERATOR, ask, fill, picture, stems, write_mnist

from translate.data import DataRequest, Dataset
from translate.data.stream import Stream, StreamSettings
from translate.errors import ComponentError, DataError
from translate.pictures import as_channels, write_picture
from translate.specs import Image, Label
from translate_datasets.computed_source import computed_source
from translate_datasets.mappings import TRANSFORMS, edge, grey, mapped_spec, negative, rotation
from translate_datasets.transformed_pair import transformed_pair

NOISE = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
CHAIN = ["HorizontalFlip", {"RandomCrop": 8}, {"ColorJitter": {"p": 1}}]


def as_type(image: np.ndarray, dtype: Any) -> np.ndarray:
    return {
        "uint8": image, "uint16": image.astype(np.uint16) * 257, "float32": image.astype(np.float32) / np.float32(255)
    }[np.dtype(dtype).name]  # fmt: skip


# --- the maps ---


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_edge_is_dilation_minus_the_picture(dtype: Any) -> None:
    image = as_type(NOISE, dtype)
    expected = np.zeros_like(image)
    for y, x, c in np.ndindex(image.shape):
        window = image[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2, c]
        expected[y, x, c] = window.max() - image[y, x, c]
    found = edge(image)
    assert found.dtype == dtype
    assert np.array_equal(found, expected)


def test_edge_is_max_pooling_minus_the_picture() -> None:
    image = torch.from_numpy(NOISE.transpose(2, 0, 1).astype(np.float32))
    expected = F.max_pool2d(image, 3, stride=1, padding=1) - image
    assert np.array_equal(edge(NOISE), expected.numpy().transpose(1, 2, 0).astype(np.uint8))


def test_edge_of_a_dot_and_of_a_plane() -> None:
    dot = np.zeros((5, 5, 1), np.uint8)
    dot[2, 2] = 200
    ring = np.zeros((5, 5, 1), np.uint8)
    ring[1:4, 1:4] = 200
    ring[2, 2] = 0
    assert np.array_equal(edge(dot), ring)
    assert not edge(np.full((4, 3, 1), 77, np.uint8)).any()


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_negative_is_white_minus_the_picture(dtype: Any, white: float) -> None:
    image = as_type(NOISE, dtype)
    found = negative(image)
    assert found.dtype == dtype
    assert np.array_equal(found.astype(np.float64) + image, np.full(NOISE.shape, white)) or dtype == np.float32
    assert np.allclose(found.astype(np.float64) + image, white)
    assert np.allclose(negative(found), image)


def test_rotation_is_counter_clockwise() -> None:
    image = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[:, :, None]
    assert rotation(image)[:, :, 0].tolist() == [[3, 6], [2, 5], [1, 4]]
    assert np.array_equal(rotation(rotation(rotation(rotation(NOISE)))), NOISE)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_is_the_luma_of_the_reader(dtype: Any) -> None:
    image = as_type(NOISE, dtype)
    found = grey(image)
    assert found.shape == (9, 7, 1)
    assert found.dtype == dtype
    assert np.array_equal(found, as_channels(image, 1))
    expected = NOISE @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found[:, :, 0] * (1.0 if dtype == np.uint8 else 255.0) - expected).max() <= 0.51


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_maps_give_what_their_spec_says_and_leave_the_picture_alone(name: Any) -> None:
    image = NOISE.copy()
    image.flags.writeable = False
    spec = mapped_spec(Image(3, 9, 7), name, "here")
    assert TRANSFORMS[name](image).shape == (spec.height, spec.width, spec.channels)


# --- computed_source ---


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten pictures of noise, 10 x 10."""
    (tmp_path / "train").mkdir()
    for index, name in enumerate(stems(10)):
        noise = np.random.default_rng(index).integers(0, 256, (10, 10, 3), dtype=np.uint8)
        write_picture(tmp_path / "train" / name, noise)
    return tmp_path


def units(batch: Mapping[str, torch.Tensor], name: str) -> np.ndarray:
    """A field of a batch in bytes, N x H x W x C."""
    return ((batch[name] + 1) * 127.5).round().byte().numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_the_source_is_computed_from_the_augmented_target(photos: Path, name: Any) -> None:
    data = computed_source(ask(), root=str(photos), transform=name)
    assert isinstance(data, Dataset)
    assert data.fields == {"source": Image(1 if name == "grey" else 3, 8, 8), "target": Image(3, 8, 8)}
    stream = Stream(data, StreamSettings(image_size=(8, 8), transforms=CHAIN), batch_size=4)
    for batch in itertools.islice(stream.batches(), 3):
        expected = [TRANSFORMS[name](target) for target in units(batch, "target")]
        assert np.array_equal(units(batch, "source"), np.stack(expected))


def test_the_default_is_colourisation(photos: Path) -> None:
    data = computed_source(ask(image_size=None), root=str(photos))
    assert data.fields == {"source": Image(1, 10, 10), "target": Image(3, 10, 10)}
    assert data.name(3) == "n003"
    assert data.where(3) == str(photos / "train" / "n003.png")
    assert len(pickle.loads(pickle.dumps(data))) == 10  # noqa: S301 (what multiprocessing does)


def test_rotation_exchanges_height_and_width(photos: Path) -> None:
    data = computed_source(ask(image_size=(6, 4)), root=str(photos), transform="rotation")
    assert data.fields == {"source": Image(3, 4, 6), "target": Image(3, 6, 4)}
    batch = Stream(data, StreamSettings(image_size=(6, 4)), batch_size=1).examples([0])
    assert batch["source"].shape == (1, 3, 4, 6)


def test_grey_of_grey_pictures_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", stems(3), channels=1)
    with pytest.raises(DataError, match=r"n000\.png; the pictures have 1 channel: only colour becomes grey"):
        computed_source(ask(), root=str(tmp_path))
    assert len(computed_source(ask(), root=str(tmp_path), transform="edge")) == 3


def test_a_subfolder_and_classes(photos: Path) -> None:
    (photos / "train").rename(photos / "old")
    (photos / "train").mkdir()
    (photos / "old").rename(photos / "train" / "A")
    data = computed_source(ask(), root=str(photos), folder="A")
    assert data.name(0) == "n000"
    assert computed_source(ask(), root=str(photos)).name(0) == "A_n000"  # one class
    with pytest.raises(DataError, match="no folder 'B' here"):
        computed_source(ask(), root=str(photos), folder="B")


def test_the_photos_of_facades(shared_data: Path) -> None:
    data = computed_source(ask("test"), root=str(shared_data / "facades"), folder="A")
    assert len(data) == 106
    assert data.fields["source"] == Image(1, 8, 8)


# --- transformed_pair ---


def halves(data: Any) -> tuple[set[str], set[str]]:
    """The places of the pictures of both halves, as the dataset gives them, by walking over it in test."""
    return tuple({half.where(index) for index in range(len(half))} for half in data.halves)  # type: ignore[return-value]


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("kind", ["idx", "folders"])
def test_no_picture_is_in_both_halves(tmp_path: Path, split: str, kind: str) -> None:
    if kind == "idx":
        write_mnist(tmp_path, train=101, test=31)
    else:
        for index, name in enumerate(stems(120)):
            write_picture(tmp_path / name, np.random.default_rng(index).integers(0, 256, (5, 4, 1), dtype=np.uint8))
    data = transformed_pair(ask(split, None), root=str(tmp_path), transform="negative")
    first, second = halves(data)
    assert first
    assert second
    assert not first & second
    assert len(first) - len(second) in {0, 1}
    generator = np.random.default_rng(0)
    examples = [data.example(index, generator) for index in range(len(data)) for _ in range(20)]
    a, b = ({example[name].tobytes() for example in examples} for name in ("a", "truth_a"))
    assert not a & b  # what is drawn keeps to its half
    assert len(a) == len(first)
    assert len(b) <= len(second)
    if split != "train":
        assert len(b) == len(second)


def test_the_halves_are_the_same_for_every_seed(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    made = []
    for seed in (1, 2):
        request = DataRequest(split="train", image_size=None, seed=seed)
        made.append(halves(transformed_pair(request, root=str(tmp_path), transform="edge")))
    assert made[0] == made[1]


@pytest.mark.parametrize("name", ["edge", "negative", "rotation"])
def test_the_truths_are_exact_after_augmentation(tmp_path: Path, name: Any) -> None:
    data = transformed_pair(ask(image_size=(8, 8)), root=str(write_mnist(tmp_path)), transform=name)
    assert isinstance(data, Dataset)
    assert list(data.fields) == ["a", "b", "truth_b", "truth_a", "label_a", "label_b"]
    chain = ["HorizontalFlip", {"Affine": {"rotate": [-9, 9], "p": 1}}, {"Resize": 8}]
    stream = Stream(data, StreamSettings(image_size=(8, 8), transforms=chain), batch_size=4)
    for batch in itertools.islice(stream.batches(), 4):
        for image, mapped in (("a", "truth_b"), ("truth_a", "b")):
            expected = np.stack([TRANSFORMS[name](one) for one in units(batch, image)])
            assert np.array_equal(units(batch, mapped), expected)


def test_labels_are_those_of_the_pictures(tmp_path: Path) -> None:
    data = transformed_pair(ask("test", None), root=str(write_mnist(tmp_path)), transform="negative")
    assert data.fields["label_a"] == Label(4)
    assert data.classes == ("0", "1", "2", "3")
    stored = np.random.default_rng(1).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    for index in range(len(data)):
        example = data.example(index, GENERATOR)
        for image, label in (("a", "label_a"), ("truth_a", "label_b")):
            place = int(np.flatnonzero((stored[:, :, :, None] == example[image]).all(axis=(1, 2, 3)))[0])
            assert example[label] == place % 4
    unlabelled = transformed_pair(
        ask("test", None), root=str(write_mnist(tmp_path / "x", labels=False)), transform="edge"
    )
    assert list(unlabelled.fields) == ["a", "b", "truth_b", "truth_a"]


def test_streams_are_independent_in_training(tmp_path: Path) -> None:
    data = transformed_pair(ask(image_size=None), root=str(write_mnist(tmp_path)), transform="edge")
    assert len(data) == 9  # 18 pictures for training
    generator = np.random.default_rng(0)
    for index in range(9):
        partners = {data.example(index, generator)["truth_a"].tobytes() for _ in range(90)}
        assert len(partners) == 9
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301 (what multiprocessing does)
    one, two = (which.example(2, np.random.default_rng(7)) for which in (data, copy))
    assert all(np.array_equal(one[field], two[field]) for field in one)


def test_grey_of_colour_and_classes_in_folders(tmp_path: Path) -> None:
    for value, name in enumerate(("x", "y")):
        fill(tmp_path / "train" / name, stems(6), first=100 * value)
    data = transformed_pair(ask(), root=str(tmp_path), transform="grey")
    assert data.fields == {
        "a": Image(3, 8, 8), "b": Image(1, 8, 8), "truth_b": Image(1, 8, 8), "truth_a": Image(3, 8, 8),
        "label_a": Label(2), "label_b": Label(2),
    }  # fmt: skip
    for index in range(6):
        example = data.example(index, np.random.default_rng(index))
        assert example["label_a"] == (example["a"].flat[0] >= 100)
        assert example["label_b"] == (example["truth_a"].flat[0] >= 100)


def test_errors_of_transformed_pair(tmp_path: Path) -> None:
    fill(tmp_path / "train", ["one.png"])
    with pytest.raises(DataError, match=r"one\.png; one picture cannot be cut into two halves"):
        transformed_pair(ask(), root=str(tmp_path), transform="edge")
    write_mnist(tmp_path / "idx")
    with pytest.raises(ComponentError, match=r"data\.folder; data\.root holds idx files, which have no subfolder 'A'"):
        transformed_pair(ask(), root=str(tmp_path / "idx"), transform="edge", folder="A")
    with pytest.raises(DataError, match="the folder is not there"):
        transformed_pair(ask(), root=str(tmp_path / "nowhere"), transform="edge")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no pictures here\. empty is empty"):
        transformed_pair(ask(), root=str(tmp_path / "empty"), transform="edge")


def test_one_value_pictures_stay_what_they_are() -> None:
    assert np.array_equal(negative(picture(0)), picture(255))


def test_mnist(shared_data: Path) -> None:
    data = transformed_pair(ask("test", None), root=str(shared_data / "mnist"), transform="edge")
    assert len(data) == 5000
    first, second = ({half.read(index).tobytes() for index in range(len(half))} for half in data.halves)
    assert len(first & second) == 0
