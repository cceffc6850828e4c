"""Some pictures paired, the rest not."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from dataset_files import GENERATOR, ask, fill, picture, stems, values

from translate.data import DataRequest, Dataset
from translate.data.request import Problems
from translate.data.stream import Stream, StreamSettings
from translate.errors import DataError
from translate.pictures import read_picture, write_picture
from translate.specs import Image
from translate_datasets.mixed import mixed


def opened(root: Path, split: str = "train", **choices: Any) -> Any:
    return mixed(ask(split), root=str(root), **choices)


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """Train: A n000 ... n009 (0 on), B n007 ... n009 and m000, m001 (100 on; grey). Test: only two pairs."""
    fill(tmp_path / "train" / "A", stems(10))
    fill(tmp_path / "train" / "B", [*stems(2, "m"), *stems(10)[7:]], first=100, channels=1)
    fill(tmp_path / "test" / "A", stems(2), first=50)
    fill(tmp_path / "test" / "B", stems(2), first=150, channels=1)
    return tmp_path


def test_pairs_are_pairs_and_the_others_are_anything(some: Path) -> None:
    data = opened(some)
    assert isinstance(data, Dataset)
    assert data.fields == {
        "source": Image(3, 8, 8), "target": Image(1, 8, 8), "a": Image(3, 8, 8), "b": Image(1, 8, 8)
    }  # fmt: skip
    assert len(data) == 10
    generator = np.random.default_rng(0)
    found = [values(data, index, generator) for _ in range(60) for index in range(10)]
    pairs = Counter((one["source"], one["target"]) for one in found)
    assert set(pairs) == {(7, 102), (8, 103), (9, 104)}
    assert min(pairs.values()) > 150
    assert [one["a"] for one in found] == list(range(10)) * 60
    assert set(Counter(one["b"] for one in found)) == {100, 101, 102, 103, 104}  # also those with a partner
    free = Counter((one["source"], one["b"]) for one in found)
    assert len(free) == 15
    assert max(free.values()) < 75  # 40 each


def test_validation_and_test_are_the_pairs_once_each(some: Path) -> None:
    data = opened(some, "test")
    assert len(data) == 2
    assert [values(data, index) for index in range(2)] == [
        {"source": 50, "target": 150, "a": 50, "b": 150},
        {"source": 51, "target": 151, "a": 51, "b": 151},
    ]
    assert data.name(1) == "n001"
    assert data.where(1) == f"{some / 'test' / 'A' / 'n001.png'} and {some / 'test' / 'B' / 'n001.png'}"


def test_names_are_those_of_what_is_walked(some: Path) -> None:
    assert [opened(some).name(index) for index in (0, 9)] == ["n000", "n009"]
    assert opened(some).where(3) == str(some / "train" / "A" / "n003.png")
    swapped = opened(some, folders=["B", "A"])
    assert [swapped.name(index) for index in (0, 9)] == ["n000", "n009"]
    assert {values(swapped, 0)["source"] for _ in range(40)} == {102, 103, 104}
    drawn, example = (made(3, np.random.default_rng(5)) for made in (opened(some).where_drawn, opened(some).example))
    files = [Path(text) for text in drawn.split(" and ")]
    assert [int(read_picture(file)[0, 0, 0]) for file in files] == [int(value[0, 0, 0]) for value in example.values()]
    (some / "train" / "A" / "n000.png").unlink()
    fill(some / "train" / "B", stems(30, "k"), channels=1)
    assert opened(some).where(0) == str(some / "train" / "B" / "k000.png")


def test_where_all_problems_are_looked_for_all_lists_are_walked(some: Path) -> None:
    data = mixed(DataRequest(split="train", image_size=(8, 8), seed=0, problems=Problems()), root=str(some))
    assert len(data) == 10
    assert values(data, 4) == {"source": 8, "target": 103, "a": 4, "b": 104}
    assert data.where(4).count(" and ") == 3


def test_the_pair_shares_its_geometry_and_the_others_have_their_own(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    for name in ("A/p", "B/p", "A/q", "B/r"):
        (tmp_path / "train" / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / "train" / f"{name}.png", noise)
    settings = StreamSettings(image_size=(8, 8), transforms=["HorizontalFlip", "VerticalFlip"])
    batches = list(itertools.islice(Stream(opened(tmp_path), settings, batch_size=2).batches(), 40))
    assert all(torch.equal(batch["source"], batch["target"]) for batch in batches)
    for one, two in (("source", "a"), ("target", "b"), ("a", "b")):
        same = sum(map(torch.equal, *(torch.cat([batch[name] for batch in batches]) for name in (one, two))))
        assert 6 <= same <= 36, (one, two)  # one of four geometries each: 20 of 80


def test_one_list_is_split_by_the_hash_of_each_stem(tmp_path: Path) -> None:
    fill(tmp_path / "A", stems(80), size=(1, 1))
    fill(tmp_path / "B", [*stems(60), *stems(40, "m")], size=(1, 1))
    splits = {split: opened(tmp_path, split) for split in ("train", "val", "test")}
    seen = {split: {values(data, index)["source"] for index in range(len(data))} for split, data in splits.items()}
    assert not seen["val"] & seen["test"]
    assert len(splits["val"]) + len(splits["test"]) == len(seen["val"] | seen["test"])
    drawn = {values(splits["train"], index)["a"] for index in range(len(splits["train"]))}
    assert not drawn & (seen["val"] | seen["test"])


def test_errors(some: Path) -> None:
    for name in stems(10)[7:]:
        (some / "train" / "B" / name).rename(some / "train" / "B" / f"x{name}")
    with pytest.raises(DataError) as caught:
        opened(some)
    assert "no picture has a partner of the same stem (10 in A and 5 in B)" in caught.value.what
    assert "unpaired_folders" in str(caught.value.fix)
    for folder in ("A", "B"):
        fill(some / "val" / folder, stems(3))
        fill(some / "all" / folder, stems(60), size=(1, 1))
    assert len(opened(some, "val")) == 3
    for path in (some / "train").glob("*/*"):
        path.unlink()
    for folder in ("A", "B"):
        fill(some / "train" / folder, stems(3))
    with pytest.raises(
        DataError, match=r"every picture has a partner of the same stem \(3 in A and 3 in B\).*paired_fo"
    ):
        opened(some)
    for split in ("train", "val", "test"):  # one list for all splits: none of them has a picture without a partner
        with pytest.raises(DataError, match=r"every picture has a partner"):
            opened(some / "all", split)


def test_pairs_of_different_shape_are_refused(some: Path) -> None:
    write_picture(some / "train" / "A" / "n007.png", picture(7, size=(4, 4)))
    data = opened(some)
    with pytest.raises(DataError, match="different shapes: 4x4 and 6x4") as caught:
        [data.example(index, GENERATOR) for index in range(10)]
    assert "A/n007.png and " in str(caught.value.where)


def test_it_can_be_sent_to_another_process(some: Path) -> None:
    data = opened(some)
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301 (what multiprocessing does)
    assert values(copy, 3, np.random.default_rng(1)) == values(data, 3, np.random.default_rng(1))


def test_paired_folders_says_that_there_is_this(some: Path) -> None:
    from translate_datasets.paired_folders import paired_folders

    with pytest.raises(DataError) as caught:
        paired_folders(ask(), root=str(some))
    assert "use data.dataset: mixed" in str(caught.value.fix)
