"""Sets without pairs: independence, classes, domains, splits, and errors that say what is there."""

from __future__ import annotations

import itertools
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import GENERATOR, ask, fill, picture, stems, values

from translate.data import DataRequest, Dataset
from translate.data.examples import Examples
from translate.data.request import Problems
from translate.data.stream import Stream, StreamSettings
from translate.data.survey import survey
from translate.errors import ComponentError, DataError
from translate.pictures import write_picture
from translate.specs import Image, Label
from translate_datasets.independent import independent_indices
from translate_datasets.labelled_folders import labelled_folders
from translate_datasets.multi_domain import multi_domain
from translate_datasets.unpaired_folders import unpaired_folders


def unpaired(root: Path, split: str = "train", **choices: Any) -> Any:
    return unpaired_folders(ask(split), root=str(root), **choices)


def labelled(root: Path, split: str = "train", **choices: Any) -> Any:
    return labelled_folders(ask(split), root=str(root), **choices)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """A: 12 colour pictures from 0 on; B: 5 grey ones from 100 on, of the same names. Test: 2 and 3."""
    fill(tmp_path / "train" / "A", stems(12))
    fill(tmp_path / "train" / "B", stems(5), first=100, channels=1)
    fill(tmp_path / "test" / "A", stems(2), first=50)
    fill(tmp_path / "test" / "B", stems(3), first=150, channels=1)
    return tmp_path


# --- independence ---


def test_the_longest_is_walked_and_the_others_are_drawn() -> None:
    generator = np.random.default_rng(1)
    found = [independent_indices({"a": 3, "b": 200, "c": 7}, index, generator) for index in range(200)]
    assert [one["b"] for one in found] == list(range(200))
    assert {one["a"] for one in found} == set(range(3))
    assert {one["c"] for one in found} == set(range(7))
    counts = Counter((one["a"], one["c"]) for one in found)
    assert len(counts) == 21
    assert max(counts.values()) < 25  # 200 / 21 = 9.5 each


def test_without_a_generator_all_are_walked() -> None:
    assert independent_indices({"a": 3, "b": 5}, 4, None) == {"a": 1, "b": 4}


def test_training_never_aligns_the_two_folders(both: Path) -> None:
    data = unpaired(both)
    assert isinstance(data, Dataset)
    assert len(data) == 12
    generator = np.random.default_rng(0)
    found = [(index, values(data, index, generator)) for _ in range(100) for index in range(12)]
    assert all(one["a"] == index for index, one in found)
    counts = Counter(one["b"] for _, one in found)
    assert sorted(counts) == [100, 101, 102, 103, 104]
    assert all(180 <= count <= 300 for count in counts.values())  # uniform: 240 each
    for index in range(5):  # each picture of A meets the picture of B with its name as often as any other
        assert 5 <= sum(one["b"] == 100 + index for place, one in found if place == index) <= 40


def test_the_second_folder_may_be_the_longer(both: Path) -> None:
    data = unpaired(both, folders=["B", "A"])
    assert len(data) == 12
    assert [values(data, index)["b"] for index in range(12)] == list(range(12))
    assert data.name(7) == "n007"


def test_the_same_generator_gives_the_same_example(both: Path) -> None:
    data = unpaired(both)
    one, two = ([values(data, 3, np.random.default_rng(seed)) for seed in range(20)] for _ in range(2))
    assert one == two
    assert len({example["b"] for example in one}) >= 3


def test_validation_and_test_walk_both(both: Path) -> None:
    data = unpaired(both, "test")
    assert [values(data, index) for index in range(3)] == [
        {"a": 50, "b": 150},
        {"a": 51, "b": 151},
        {"a": 50, "b": 152},
    ]
    assert [data.name(index) for index in range(3)] == ["n000", "n001", "n002"]
    assert data.where(2) == f"{both / 'test' / 'A' / 'n000.png'} and {both / 'test' / 'B' / 'n002.png'}"


def test_where_all_problems_are_looked_for_both_are_walked(both: Path) -> None:
    request = DataRequest(split="train", image_size=(8, 8), seed=0, problems=Problems())
    data = unpaired_folders(request, root=str(both))
    assert [values(data, index) for index in (0, 5, 11)] == [{"a": n, "b": 100 + n % 5} for n in (0, 5, 11)]
    assert data.where(7) == f"{both / 'train' / 'A' / 'n007.png'} and {both / 'train' / 'B' / 'n002.png'}"


def test_a_picture_of_the_shorter_folder_that_does_not_fit_is_found_and_named(both: Path) -> None:
    bad = both / "train" / "B" / "n003.png"
    write_picture(bad, picture(103, 1, (3, 4)))
    settings = StreamSettings(image_size=(5, 4), transforms=[{"RandomCrop": [5, 4]}])
    request = DataRequest(split="train", image_size=(5, 4), seed=0, problems=Problems())
    found = survey({"train": Examples(unpaired_folders(request, root=str(both)), settings)}).wrong
    assert found
    assert all(str(bad) in finding.where for finding in found)
    stream = Stream(unpaired(both), settings, batch_size=1)
    with pytest.raises(DataError, match=r"cannot be applied to .*b 3x4") as caught:
        list(itertools.islice(stream.batches(), 100))
    assert str(caught.value.where).endswith(f" and {bad}")


def test_each_field_has_its_own_geometry(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    for folder in ("A", "B"):
        (tmp_path / "train" / folder).mkdir(parents=True)
        write_picture(tmp_path / "train" / folder / "p.png", noise)
    data = unpaired(tmp_path)
    assert data.aligned is False
    settings = StreamSettings(image_size=(8, 8), transforms=["HorizontalFlip", "VerticalFlip"])
    batches = list(itertools.islice(Stream(data, settings, batch_size=1).batches(), 60))
    same = sum(bool((batch["a"] == batch["b"]).all()) for batch in batches)
    assert 4 <= same <= 30  # one of four geometries each


def test_fields_are_of_their_own_folder_and_channels_can_be_chosen(both: Path) -> None:
    assert unpaired(both).fields == {"a": Image(3, 8, 8), "b": Image(1, 8, 8)}
    data = unpaired(both, a_channels=1, b_channels=3)
    assert data.fields == {"a": Image(1, 8, 8), "b": Image(3, 8, 8)}
    assert {name: image.shape for name, image in data.example(0, GENERATOR).items()} == {"a": (6, 4, 1), "b": (6, 4, 3)}


def test_it_can_be_sent_to_another_process(both: Path) -> None:
    data = unpaired(both)
    values(data, 0)
    copy = pickle.loads(pickle.dumps(data))  # noqa: S301 (what multiprocessing does)
    assert values(copy, 3, np.random.default_rng(1)) == values(data, 3, np.random.default_rng(1))


# --- layouts ---


def test_the_layout_of_cyclegan(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 50)):
        fill(tmp_path / f"{split}A", stems(3), first=first)
        fill(tmp_path / f"{split}B", stems(2), first=first + 100)
    assert values(unpaired(tmp_path), 2)["a"] == 2
    assert values(unpaired(tmp_path, "test"), 1) == {"a": 51, "b": 151}
    with pytest.raises(DataError, match="no folder 'val' for this split; found train, test"):
        unpaired(tmp_path, "val")
    with pytest.raises(DataError) as caught:
        unpaired(tmp_path / "trainA")
    assert caught.value.fix == f"set data.root to {tmp_path}"
    (tmp_path / "trainB").rename(tmp_path / "trainC")
    with pytest.raises(DataError, match=r"no folder 'trainB' here\. Did you mean 'train"):
        unpaired(tmp_path)


def test_a_root_above_cyclegans_layout_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "horse2zebra" / "trainA", stems(1))
    fill(tmp_path / "horse2zebra" / "trainB", stems(1))
    with pytest.raises(DataError) as caught:
        unpaired(tmp_path)
    assert caught.value.fix == f"set data.root to {tmp_path / 'horse2zebra'}"


def test_one_list_is_split_by_the_hash_of_each_stem(tmp_path: Path) -> None:
    fill(tmp_path / "A", stems(60), size=(1, 1))
    fill(tmp_path / "B", stems(30, "m"), size=(1, 1))
    by_split = {split: unpaired(tmp_path, split) for split in ("train", "val", "test")}
    names = {split: {data.name(index) for index in range(len(data))} for split, data in by_split.items()}
    assert sorted(set.union(*names.values())) == [name[:-4] for name in stems(60)]
    assert sum(map(len, names.values())) == 60


def test_errors_of_unpaired_folders(both: Path) -> None:
    with pytest.raises(DataError, match="no folder 'C' here"):
        unpaired(both, folders=["A", "C"])
    (both / "train" / "B").rename(both / "train" / "C")
    (both / "train" / "B").mkdir()
    with pytest.raises(DataError, match=r"no pictures here\. B is empty"):
        unpaired(both)


# --- classes ---


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Train: cat, dog; test: dog, eel. Values: 0, 20 and 40 on."""
    for split in ("train", "test"):
        fill(tmp_path / split / "dog", stems(3), first=20)
    fill(tmp_path / "train" / "cat", stems(2))
    fill(tmp_path / "test" / "eel", stems(1), first=40)
    return tmp_path


def test_classes_have_one_number_in_all_splits(classes: Path) -> None:
    data, test = labelled(classes), labelled(classes, "test")
    assert data.fields == {"image": Image(3, 8, 8), "label": Label(3)} == test.fields
    assert data.classes == test.classes == ("cat", "dog", "eel")
    assert [values(data, i) for i in range(5)] == [
        *({"image": value, "label": 0} for value in (0, 1)),
        *({"image": value, "label": 1} for value in (20, 21, 22)),
    ]
    assert [values(test, i)["label"] for i in range(4)] == [1, 1, 1, 2]
    assert data.name(2) == "dog_n000"
    assert data.where(2) == str(classes / "train" / "dog" / "n000.png")
    assert data.example(0, GENERATOR)["label"].dtype == np.int64


def test_classes_without_split_folders(tmp_path: Path) -> None:
    for value, name in enumerate(("one", "two")):
        fill(tmp_path / name, stems(40), first=100 * value, size=(1, 1))
    found = {split: labelled(tmp_path, split) for split in ("train", "val", "test")}
    names = {split: {data.name(i) for i in range(len(data))} for split, data in found.items()}
    assert sum(map(len, names.values())) == len(set.union(*names.values())) == 80
    assert 50 <= len(names["train"]) <= 75
    ones = {name[4:] for name in names["train"] if name.startswith("one")}
    assert ones != {name[4:] for name in names["train"] if name.startswith("two")}
    for index in range(len(found["train"])):
        example = values(found["train"], index)
        assert example["label"] == (example["image"] >= 100)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("car", "train"):
        fill(tmp_path / name, stems(2))
    assert labelled(tmp_path, shares=[1, 0, 0]).classes == ("car", "train")


@pytest.mark.parametrize("wrong", [".", "pets/train", "pets/train/cat"])
def test_classes_at_the_wrong_level(classes: Path, tmp_path: Path, wrong: str) -> None:
    (tmp_path / "pets").mkdir()
    for split in ("train", "test"):
        (classes / split).rename(tmp_path / "pets" / split)
    with pytest.raises(DataError, match="wrong level: one folder per class") as caught:
        labelled(tmp_path / wrong)
    assert caught.value.fix == f"set data.root to {tmp_path / 'pets'}"


def test_errors_of_classes(tmp_path: Path) -> None:
    fill(tmp_path / "flat", stems(3))
    with pytest.raises(DataError, match=r"no class folders here. Found in flat: 3 files of \.png.*subfolder per class"):
        labelled(tmp_path / "flat")
    (tmp_path / "flat" / "empty").mkdir()
    with pytest.raises(DataError, match=r"no pictures here\. empty is empty"):
        labelled(tmp_path / "flat")
    fill(tmp_path / "flat" / "empty", ["x.png", "x.jpg"])
    with pytest.raises(DataError, match=r"same stem: x\.jpg and x\.png"):
        labelled(tmp_path / "flat")


def test_unpaired_folders_of_classes(tmp_path: Path) -> None:
    for folder, names in (("A", ("x", "z")), ("B", ("y", "z"))):
        for value, name in enumerate(names):
            fill(tmp_path / f"train{folder}" / name, stems(3), first=10 * value)
    data = unpaired(tmp_path, labels=True)
    assert data.classes == ("x", "y", "z")
    assert data.fields == {
        "a": Image(3, 8, 8), "b": Image(3, 8, 8), "label_a": Label(3), "label_b": Label(3)
    }  # fmt: skip
    for index in range(6):
        example = values(data, index)
        assert example["label_a"] == (2 if example["a"] >= 10 else 0)
        assert example["label_b"] == (2 if example["b"] >= 10 else 1)
    with pytest.raises(DataError, match=r"no pictures here\. Found in trainA: folders x, z"):
        unpaired(tmp_path)


def test_labels_where_there_are_no_class_folders(both: Path) -> None:
    with pytest.raises(DataError, match=r"no class folders here\. Found in A: 12 files"):
        unpaired(both, labels=True)


def test_small_cifar(shared_data: Path) -> None:
    data = labelled_folders(ask(image_size=None), root=str(shared_data / "cifar10_small"))
    assert data.fields == {"image": Image(3, 32, 32), "label": Label(10)}
    assert len(data) == 1000
    assert Counter(values(data, index)["label"] for index in range(1000)) == dict.fromkeys(range(10), 100)


# --- domains ---


def test_domains(tmp_path: Path) -> None:
    for value, (name, count) in enumerate({"summer": 4, "autumn": 9, "winter": 2}.items()):
        fill(tmp_path / "train" / name, stems(count), first=50 * value, channels=1 if name == "winter" else 3)
        fill(tmp_path / "test" / name, stems(count), first=50 * value)
    domains = ["summer", "autumn", "winter"]
    data = multi_domain(ask(), root=str(tmp_path), domains=domains)
    assert list(data.fields) == domains
    assert data.fields["winter"] == Image(1, 8, 8)
    assert len(data) == 9
    generator = np.random.default_rng(0)
    found = [values(data, index, generator) for _ in range(50) for index in range(9)]
    assert [one["autumn"] for one in found[:9]] == list(range(50, 59))
    assert {one["summer"] for one in found} == set(range(4))
    assert {one["winter"] for one in found} == {100, 101}
    test = multi_domain(ask("test"), root=str(tmp_path), domains=domains, channels=1)
    assert values(test, 5) == {"summer": 1, "autumn": 55, "winter": 101}
    assert set(test.fields.values()) == {Image(1, 8, 8)}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["blond hair", "A"], "'blond hair' cannot be the name of a field"),
        (["1", "A"], "'1' cannot be the name"),
        (["lambda", "A"], "'lambda' cannot be the name"),
        (["A", "B", "A"], "'A' is named twice"),
    ],
)
def test_names_of_domains(tmp_path: Path, names: list[str], text: str) -> None:
    with pytest.raises(ComponentError, match=text):
        multi_domain(ask(), root=str(tmp_path), domains=names)


def test_a_missing_domain(tmp_path: Path) -> None:
    fill(tmp_path / "summer", stems(2))
    with pytest.raises(DataError, match="no folder 'winter' here"):
        multi_domain(ask(), root=str(tmp_path), domains=["summer", "winter"], shares=[1, 0, 0])


def test_the_pictures_are_not_lent_out_for_writing(both: Path) -> None:
    example = unpaired(both).example(0, GENERATOR)
    assert not example["a"].flags.writeable
    assert np.array_equal(example["a"], picture(0))


def test_splits_of_unpaired_data_are_not_classes(tmp_path):
    for name in ("trainA", "trainB", "testA", "testB"):
        fill(tmp_path / name, stems(2))
    with pytest.raises(
        DataError, match="the folders testA, testB, trainA, trainB are splits of unpaired data"
    ) as caught:
        labelled(tmp_path)
    assert "unpaired_folders" in caught.value.fix
