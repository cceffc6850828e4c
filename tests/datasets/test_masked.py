"""Holes: what is filled, what is known, where it is, and with which colour."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import ask, fill, picture, stems, write_mnist

from translate.data import DataRequest, Dataset
from translate.data.stream import Stream, StreamSettings
from translate.errors import ComponentError, DataError
from translate.pictures import write_picture
from translate.specs import Image
from translate_datasets.masked import masked

CHAIN = ["HorizontalFlip", {"RandomCrop": 16}, {"ColorJitter": {"p": 1}}]
SMALL: dict[str, Any] = {"hole": 8, "overlap": 2}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten pictures of noise, 20 x 20; test: pictures of the value 200."""
    (tmp_path / "train").mkdir()
    for index, name in enumerate(stems(10)):
        noise = np.random.default_rng(index).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        write_picture(tmp_path / "train" / name, noise)
    fill(tmp_path / "test", stems(3), first=200, size=(20, 20))
    return tmp_path


def opened(root: Path, split: str = "train", size: tuple[int, int] | None = (16, 16), **choices: Any) -> Any:
    return masked(ask(split, size), root=str(root), **{**SMALL, **choices})


def stream(data: Any, size: tuple[int, int] | None = (16, 16), transforms: Any = CHAIN, **changes: Any) -> Stream:
    return Stream(data, StreamSettings(image_size=size, transforms=transforms, **changes), batch_size=4)


def corner(mask: torch.Tensor, overlap: int = 2) -> tuple[int, int]:
    """Where the hole begins."""
    rows, columns = (torch.nonzero(mask[0].amax(dim) > 0).flatten() for dim in (1, 0))
    return int(rows[0]) - overlap, int(columns[0]) - overlap


@pytest.mark.parametrize("where", ["center", "random"])
def test_hole_mask_and_picture_are_of_the_same_augmented_picture(photos: Path, where: Any) -> None:
    data = opened(photos, where=where, fill="white")
    assert isinstance(data, Dataset)
    assert data.fields == {
        "image": Image(3, 16, 16), "masked": Image(3, 16, 16), "mask": Image(1, 16, 16), "hole": Image(3, 8, 8)
    }  # fmt: skip
    corners = set()
    for batch in itertools.islice(stream(data).batches(), 5):
        assert batch["hole"].shape == (4, 3, 8, 8)
        for image, filled, mask, hole in zip(*(batch[name] for name in data.fields), strict=True):
            assert set(mask.unique().tolist()) == {-1.0, 1.0}
            assert int((mask > 0).sum()) == 16  # (8 - 2 * 2) squared
            top, left = corner(mask)
            corners.add((top, left))
            assert torch.equal(hole, image[:, top : top + 8, left : left + 8])
            inside = (mask > 0).expand_as(image)
            assert torch.equal(filled[~inside], image[~inside])
            assert (filled[inside] == 1).all()
            assert (mask[0, top + 2 : top + 6, left + 2 : left + 6] == 1).all()
    assert corners == {(4, 4)} if where == "center" else len(corners) > 10


def test_a_random_hole_reaches_every_border_and_stays_inside(photos: Path) -> None:
    data = opened(photos, where="random")
    masks = torch.cat([batch["mask"] for batch in itertools.islice(stream(data, transforms=[]).batches(), 150)])
    corners = [corner(mask) for mask in masks]
    assert {top for top, _ in corners} == {left for _, left in corners} == set(range(9))


def test_the_place_of_a_random_hole_is_the_examples(photos: Path) -> None:
    data = opened(photos, where="random")
    one, two = (stream(data).examples([3, 4]) for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert corner(one["mask"][0]) != corner(one["mask"][1])
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301 (what multiprocessing does)
    there, here = (next(stream(which).batches()) for which in (copy, data))
    assert all(torch.equal(there[name], here[name]) for name in here)


def test_odd_remainders_and_oblong_pictures(photos: Path) -> None:
    data = opened(photos, size=(17, 24), fill="black", overlap=0)
    batch = stream(data, size=(17, 24), transforms=[]).examples([0])
    assert corner(batch["mask"][0], 0) == (4, 8)
    assert batch["masked"][0, :, 4:12, 8:16].unique().tolist() == [-1.0]
    assert torch.equal(batch["hole"][0], batch["image"][0, :, 4:12, 8:16])


# --- the colour ---


def test_the_mean_is_that_of_the_training_pictures_in_every_split(photos: Path) -> None:
    noise = [np.random.default_rng(index).integers(0, 256, (20, 20, 3), dtype=np.uint8) for index in range(10)]
    mean = np.mean(noise, axis=(0, 1, 2)) / 255
    for split in ("train", "test"):
        data = opened(photos, split)
        assert np.allclose(data.colour, mean, atol=1e-6)
        batch = stream(data, transforms=[]).examples([0])
        inside = batch["masked"][0, :, 6:10, 6:10]
        assert torch.allclose(inside, torch.tensor(mean * 2 - 1).float()[:, None, None].expand_as(inside), atol=0.005)


def test_each_picture_of_the_mean_has_the_same_weight(tmp_path: Path) -> None:
    fill(tmp_path / "train", ["a.png"], first=0, size=(10, 10))
    fill(tmp_path / "train", ["b.png"], first=100, size=(40, 40))
    assert opened(tmp_path).colour == pytest.approx([50 / 255] * 3)


def test_the_mean_is_of_a_sample_of_a_long_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "train", stems(10), size=(16, 16))
    monkeypatch.setattr("translate_datasets.masked._AVERAGED", 5)
    assert opened(tmp_path).colour == pytest.approx([4 / 255] * 3)  # 0, 2, 4, 6, 8


@pytest.mark.parametrize(("name", "value"), [("black", 0), ("grey", 128), ("white", 255)])
def test_other_colours(photos: Path, name: Any, value: int) -> None:
    data = opened(photos, "test", fill=name)
    made = data.finish({"image": picture(200, size=(16, 16))}, np.random.default_rng(0))
    assert set(made["masked"][6:10, 6:10].flat) == {value}
    assert made["mask"].dtype == np.uint8


def test_deep_pictures_are_filled_in_floats(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_picture(tmp_path / "train" / "d.png", np.full((16, 16, 1), 30_000, np.uint16))
    data = opened(tmp_path)
    batch = stream(data, transforms=["HorizontalFlip"], value_range=(0.0, 1.0)).examples([0])
    assert torch.allclose(batch["masked"], torch.full((1, 1, 16, 16), 30_000 / 65535), atol=1e-6)
    assert batch["mask"].unique().tolist() == [0.0, 1.0]


def test_the_mean_needs_the_training_pictures(photos: Path) -> None:
    (photos / "train").rename(photos / "val")
    with pytest.raises(DataError) as caught:
        opened(photos, "test")
    assert (
        "data.fill is the mean colour of the training pictures, which cannot be opened: there is no folder 'train'"
        in (caught.value.what)
    )
    assert str(caught.value.fix).endswith("or choose another data.fill")
    assert len(opened(photos, "test", fill="white")) == 3


def test_a_split_of_other_channels_than_training(tmp_path: Path) -> None:
    fill(tmp_path / "train", stems(2), first=10, size=(16, 16))
    fill(tmp_path / "test", stems(2), channels=1, size=(16, 16))
    assert opened(tmp_path, "test").colour == pytest.approx([10.5 / 255])  # luma of 10 and 11


# --- settings, other roots ---


@pytest.mark.parametrize(
    ("choices", "where", "text"),
    [
        ({"hole": 17}, "data.hole", "a hole of 17 does not fit into pictures of 16x16"),
        ({"overlap": 4}, "data.overlap", "an overlap of 4 on each side leaves nothing of a hole of 8 to fill"),
        ({"hole": 16, "overlap": 0}, "data.hole", "a hole of 16 is all of a picture of 16x16"),
    ],
)
def test_holes_that_make_no_sense(photos: Path, choices: dict[str, int], where: str, text: str) -> None:
    with pytest.raises(ComponentError) as caught:
        opened(photos, **choices)
    assert caught.value.where == where
    assert text in caught.value.what
    assert caught.value.fix
    assert len(opened(photos, hole=16, overlap=1)) == 10


def test_idx_roots(tmp_path: Path) -> None:
    root = write_mnist(tmp_path)
    data = masked(DataRequest(split="test", image_size=None, seed=0), root=str(root), hole=4, overlap=1)
    assert data.fields["hole"] == Image(1, 4, 4)
    assert data.name(2) == "00002"
    assert data.where(2).startswith("picture 2 of ")
    train = masked(ask(image_size=None), root=str(root), hole=4, overlap=1)
    assert train.colour == data.colour
    assert len(train) == 18


def test_the_defaults_are_the_papers(photos: Path) -> None:
    data = masked(ask(image_size=(128, 128)), root=str(photos))
    batch = stream(data, size=(128, 128), transforms=[]).examples([0])
    assert batch["hole"].shape == (1, 3, 64, 64)
    assert int((batch["mask"] > 0).sum()) == 56 * 56
    assert corner(batch["mask"][0], 4) == (32, 32)


def test_half_of_mnist(shared_data: Path) -> None:
    data = masked(ask("val", None), root=str(shared_data / "mnist"), hole=14, overlap=2)
    assert data.colour == pytest.approx([0.13], abs=0.02)
    assert len(data) == 6000
