"""The datasets of folders: pairing, splits, channels, halves, and errors that say what is there."""

from __future__ import annotations

import pickle
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import GENERATOR, ask, fill, picture, values

from translate.components import KINDS
from translate.data import DataRequest, Dataset
from translate.data.stream import Stream, StreamSettings
from translate.errors import DataError
from translate.pictures import write_picture
from translate.signatures import read_schema
from translate.specs import Image
from translate_datasets import translate_components
from translate_datasets.folders import split_of
from translate_datasets.paired_folders import PairedFolders, paired_folders
from translate_datasets.reading import Reader
from translate_datasets.side_by_side import side_by_side
from translate_datasets.single_folder import single_folder


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Train of three pairs and test of one; A counts from 0 in colour, B from 100 in grey."""
    fill(tmp_path / "data" / "train" / "A", ["x.png", "y.png", "z.png"])
    fill(tmp_path / "data" / "train" / "B", ["x.jpg", "y.jpg", "z.jpg"], first=100, channels=1)
    fill(tmp_path / "data" / "test" / "A", ["t.png"], first=50)
    fill(tmp_path / "data" / "test" / "B", ["t.png"], first=150, channels=1)
    return tmp_path / "data"


def paired(root: Path, split: str = "train", **choices: Any) -> PairedFolders:
    return paired_folders(ask(split), root=str(root), **choices)


# --- paired_folders ---


def test_pairs_by_stem_in_both_directions(pairs: Path) -> None:
    forward, backward = paired(pairs), paired(pairs, direction="b_to_a")
    assert isinstance(forward, Dataset)
    assert [forward.name(i) for i in range(len(forward))] == ["x", "y", "z"]
    assert [values(forward, i) for i in range(3)] == [{"source": i, "target": 100 + i} for i in range(3)]
    assert [values(backward, i) for i in range(3)] == [{"source": 100 + i, "target": i} for i in range(3)]
    assert forward.fields == {"source": Image(3, 8, 8), "target": Image(1, 8, 8)}
    assert backward.fields == {"source": Image(1, 8, 8), "target": Image(3, 8, 8)}


def test_pairs_never_by_position(pairs: Path) -> None:
    (pairs / "train" / "A" / "x.png").rename(pairs / "train" / "A" / "zz.png")
    (pairs / "train" / "B" / "x.jpg").rename(pairs / "train" / "B" / "zz.jpg")
    found = paired(pairs)
    assert {found.name(i): values(found, i) for i in range(3)}["zz"] == {"source": 0, "target": 100}


def test_stems_match_in_either_unicode_form(tmp_path: Path) -> None:
    fill(tmp_path / "A", [unicodedata.normalize("NFC", "é.png")])
    fill(tmp_path / "B", [unicodedata.normalize("NFD", "é.png")], first=9)
    assert values(paired(tmp_path, shares=[1, 0, 0]), 0) == {"source": 0, "target": 9}


def test_orphans_are_counted_and_the_first_five_named(pairs: Path) -> None:
    fill(pairs / "train" / "A", [f"only{i}.png" for i in range(7)])
    fill(pairs / "train" / "B", ["lonely.png"])
    with pytest.raises(DataError) as caught:
        paired(pairs)
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert "7 of 10 in A (only0, only1, only2, only3, only4 ...)" in text
    assert "only5" not in text
    assert "1 of 4 in B (lonely)" in text


def test_two_files_of_one_stem(pairs: Path) -> None:
    fill(pairs / "train" / "A", ["x.jpeg"])
    with pytest.raises(DataError, match=r"same stem: x\.jpeg and x\.png"):
        paired(pairs)


def test_pairs_of_different_shape_are_refused_and_of_different_resolution_not(tmp_path: Path) -> None:
    fill(tmp_path / "A", ["a.png", "b.png"], size=(10, 15))
    fill(tmp_path / "B", ["a.png"], size=(20, 30))
    fill(tmp_path / "B", ["b.png"], size=(20, 20))
    data = paired(tmp_path, shares=[1, 0, 0])
    assert data.example(0, GENERATOR)["target"].shape == (20, 30, 3)
    with pytest.raises(DataError, match="10x15 and 20x20") as caught:
        data.example(1, GENERATOR)
    assert str(tmp_path / "A" / "b.png") in str(caught.value)
    assert str(tmp_path / "B" / "b.png") in str(caught.value)


def test_other_folder_names(pairs: Path) -> None:
    (pairs / "train" / "A").rename(pairs / "train" / "photo")
    (pairs / "train" / "B").rename(pairs / "train" / "label")
    assert values(paired(pairs, folders=["label", "photo"]), 0) == {"source": 100, "target": 0}


def test_channels_are_found_and_an_explicit_value_wins(tmp_path: Path) -> None:
    fill(tmp_path / "A", ["a.png", "b.png"], channels=1)
    fill(tmp_path / "B", ["a.png"], channels=1)
    fill(tmp_path / "B", ["b.png"], channels=4)
    found = paired(tmp_path, shares=[1, 0, 0]).fields
    assert (found["source"].channels, found["target"].channels) == (1, 3)
    data = paired(tmp_path, shares=[1, 0, 0], source_channels=3, target_channels=4)
    assert (data.fields["source"].channels, data.fields["target"].channels) == (3, 4)
    assert {name: image.shape[2] for name, image in data.example(0, GENERATOR).items()} == {"source": 3, "target": 4}


def test_the_size_of_the_first_picture_where_none_is_asked_for(pairs: Path) -> None:
    data = paired_folders(ask(image_size=None), root=str(pairs))
    assert data.fields["source"] == Image(3, 6, 4)


def test_label_maps_are_marked(pairs: Path) -> None:
    assert paired(pairs, labels=["target"]).interpolation == {"source": "bicubic", "target": "nearest"}


def test_the_value_range_of_the_request(pairs: Path) -> None:
    request = DataRequest(split="train", image_size=None, seed=0, value_range=(0.0, 1.0))
    spec = paired_folders(request, root=str(pairs)).fields["source"]
    assert (spec.low, spec.high) == (0.0, 1.0)


# --- splits ---


def test_split_folders(pairs: Path) -> None:
    assert [paired(pairs, "test").name(0), len(paired(pairs, "test"))] == ["t", 1]
    with pytest.raises(DataError, match=r"no folder 'val' for this split; found train, test"):
        paired(pairs, "val")


def test_hold_out_is_disjoint_complete_and_stable(tmp_path: Path) -> None:
    names = [f"n{i:03}.png" for i in range(60)]
    fill(tmp_path, names, size=(1, 1))

    def stems(split: str) -> set[str]:
        data = single_folder(ask(split), root=str(tmp_path))
        return {data.name(i) for i in range(len(data))}

    before = {split: stems(split) for split in ("train", "val", "test")}
    assert set.union(*before.values()) == {name[:-4] for name in names}
    assert sum(map(len, before.values())) == 60
    assert 40 <= len(before["train"]) <= 56
    fill(tmp_path, [f"m{i}.png" for i in range(60)], size=(1, 1))
    assert all(before[split] <= stems(split) for split in before)


def test_the_hash_is_fixed_for_ever() -> None:
    """A change here would move test pictures into the training lists of everyone's data."""
    assert [split_of(f"cmp_{i}", [0.8, 0.1, 0.1]) for i in range(16)] == GOLDEN
    assert split_of("anything", [0, 0, 2]) == "test"
    assert split_of("anything", [0, 1, 0]) == "val"


GOLDEN = [
    "train",
    "train",
    "val",
    "train",
    "test",
    "train",
    "train",
    "val",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
    "train",
]


def test_an_empty_share_is_named(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png", "b.png"])
    with pytest.raises(DataError, match=r"the test share of the 2 pictures is empty \(train 2, val 0, test 0\)"):
        single_folder(ask("test"), root=str(tmp_path), shares=[1, 0, 0])
    with pytest.raises(DataError, match="all zero"):
        single_folder(ask("test"), root=str(tmp_path), shares=[0, 0, 0])


# --- what goes wrong ---


def refusal(root: Path, **choices: Any) -> str:
    with pytest.raises(DataError) as caught:
        paired(root, **choices)
    assert caught.value.exit_code == 3
    assert caught.value.where
    return str(caught.value)


def test_a_missing_root_names_its_nearest_sibling(pairs: Path) -> None:
    text = refusal(pairs.parent / "dota")
    assert "is not there. Did you mean 'data'?" in text
    assert str(pairs.parent / "dota") in text


def test_a_file_as_root(pairs: Path) -> None:
    assert "a file, not a folder" in refusal(pairs / "train" / "A" / "x.png")


@pytest.mark.parametrize("below", ["train", "train/A", "test/B"])
def test_one_level_too_deep(pairs: Path, below: str) -> None:
    text = refusal(pairs / below)
    assert "wrong level" in text
    assert text.endswith(f"set data.root to {pairs}")


def test_one_level_too_high(pairs: Path) -> None:
    assert refusal(pairs.parent).endswith(f"set data.root to {pairs}")


def test_a_single_split_of_its_own_is_a_root(tmp_path: Path) -> None:
    fill(tmp_path / "test" / "A", ["a.png"])
    fill(tmp_path / "test" / "B", ["a.png"])
    assert len(paired(tmp_path / "test", shares=[1, 0, 0])) == 1


def test_empty_folders_and_other_file_types_say_what_is_there(tmp_path: Path) -> None:
    fill(tmp_path / "A", ["a.png"])
    (tmp_path / "B").mkdir()
    assert "no pictures here. B is empty." in refusal(tmp_path)
    for name in ["a.txt", "b.txt", "c.csv"]:
        (tmp_path / "B" / name).touch()
    text = refusal(tmp_path)
    assert "Found in B: 2 files of .txt; 1 files of .csv." in text
    assert "JPEG" in text


def test_a_missing_subfolder(tmp_path: Path) -> None:
    fill(tmp_path / "A", ["a.png"])
    fill(tmp_path / "b", ["a.png"])
    assert "no folder 'B' here. Did you mean 'b'?" in refusal(tmp_path)


def test_an_empty_root(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert "nothing is empty" in refusal(tmp_path / "nothing")


def test_a_damaged_picture_is_named_when_it_is_read(pairs: Path) -> None:
    bad = pairs / "train" / "A" / "y.png"
    data = paired(pairs)
    bad.write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"y\.png"):
        data.example(1, GENERATOR)


# --- side_by_side and single_folder ---


def test_halves(tmp_path: Path) -> None:
    both = np.concatenate([picture(1), picture(2)], axis=1)
    (tmp_path / "train").mkdir()
    write_picture(tmp_path / "train" / "a.png", both)
    forward = side_by_side(ask(image_size=None), root=str(tmp_path))
    backward = side_by_side(ask(image_size=None), root=str(tmp_path), direction="b_to_a", target_channels=1)
    assert values(forward, 0) == {"source": 1, "target": 2}
    assert values(backward, 0) == {"source": 2, "target": 1}
    assert forward.fields == {"source": Image(3, 6, 4), "target": Image(3, 6, 4)}
    assert backward.fields == {"source": Image(3, 6, 4), "target": Image(1, 6, 4)}
    assert backward.example(0, GENERATOR)["target"].shape == (6, 4, 1)
    assert forward.name(0) == "a"


@pytest.mark.parametrize("name", ["a.png", "b.png"])
def test_odd_widths_are_refused(tmp_path: Path, name: str) -> None:
    fill(tmp_path, ["a.png", "b.png"], size=(4, 6))
    fill(tmp_path, [name], size=(4, 7))
    with pytest.raises(DataError, match=r"7 pixels wide") as caught:
        side_by_side(ask(), root=str(tmp_path), shares=[1, 0, 0]).example(1, GENERATOR)
    assert name in str(caught.value)


def test_single_folder(tmp_path: Path) -> None:
    fill(tmp_path / "train", ["a.png", "b.png"], channels=1)
    data = single_folder(ask(), root=str(tmp_path))
    assert data.fields == {"image": Image(1, 8, 8)}
    assert [values(data, i)["image"] for i in range(2)] == [0, 1]
    assert single_folder(ask(), root=str(tmp_path), channels=3).example(0, GENERATOR)["image"].shape == (6, 4, 3)


# --- the cache, the catalogue, the stream ---


def test_the_cache_keeps_what_fits(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_picture(tmp_path / f"{name}.png", picture(1, size=(500, 500)))  # 750,000 bytes
    reader = Reader(1)
    first = {name: reader.read(tmp_path / f"{name}.png", 3) for name in ("a", "b")}
    assert reader.read(tmp_path / "a.png", 3) is first["a"]
    assert reader.read(tmp_path / "b.png", 3) is not first["b"]
    assert reader.read(tmp_path / "a.png", 1).shape == (500, 500, 1)
    assert not first["a"].flags.writeable
    assert len(pickle.dumps(reader)) < 1000
    copy = pickle.loads(pickle.dumps(reader))  # noqa: S301 (what multiprocessing does)
    assert copy.read(tmp_path / "b.png", 3) is copy.read(tmp_path / "b.png", 3)


def test_the_catalogue_entries_have_schemas() -> None:
    components = {component.name: component for component in translate_components()}
    assert set(components) == {
        *("computed_source", "drawn", "idx", "labelled_folders", "masked", "mixed", "mixture", "multi_domain"),
        *("paired_folders", "side_by_side", "single_folder", "stacked_digits", "transformed_pair", "unpaired_folders"),
    }
    assert {component.kind for component in components.values()} <= set(KINDS)
    for factory in (paired_folders, side_by_side, single_folder):
        schema = read_schema("dataset", factory)
        assert schema.provided == ("request",)
        assert all(choice.description for choice in schema.choices)
        assert [choice.name for choice in schema.choices if choice.required] == ["root"]
        clean, problems = schema.validate({"root": "x", "shares": [1, -1]})
        assert len(problems) >= 1
        clean, problems = schema.validate({"root": "x"})
        assert not problems
        assert clean["cache_mb"] == 512


def test_facades_in_both_directions(shared_data: Path) -> None:
    root = str(shared_data / "facades")
    sizes = [len(paired_folders(ask(split), root=root)) for split in ("train", "val", "test")]
    assert sizes == [400, 100, 106]
    request = ask(image_size=(64, 64))
    data = paired_folders(request, root=root, direction="b_to_a", labels=["source"])
    chain = [{"Resize": 72}, {"RandomCrop": 64}, "HorizontalFlip", {"ColorJitter": {"p": 1}}]
    stream = Stream(data, StreamSettings(image_size=(64, 64), transforms=chain), batch_size=4)
    batch = next(stream.batches())
    colours = ((batch["source"] + 1) * 127.5).round().int().permute(0, 2, 3, 1).reshape(-1, 3).unique(dim=0).tolist()
    assert len(colours) > 4
    assert {tuple(colour) for colour in colours} <= FACADE_COLOURS
    forward = paired_folders(request, root=root, labels=["target"])
    one, two = data.example(7, GENERATOR), forward.example(7, GENERATOR)
    assert np.array_equal(one["source"], two["target"])
    assert np.array_equal(one["target"], two["source"])


FACADE_COLOURS = {
    *((0, 0, 170), (0, 0, 255), (0, 85, 255), (0, 170, 255), (0, 255, 255), (85, 255, 170)),
    *((170, 255, 85), (255, 255, 0), (255, 170, 0), (255, 85, 0), (255, 0, 0), (170, 0, 0)),
}


def test_other_sample_data(shared_data: Path) -> None:
    aligned = side_by_side(ask(image_size=None), root=str(shared_data / "facades_aligned"))
    assert len(aligned) == 20
    assert aligned.fields["source"] == Image(3, 256, 256)
    halves = aligned.example(0, GENERATOR)
    assert halves["target"][:, :, 2].mean() > halves["source"][:, :, 2].mean()  # labels are mostly blue
    cells = paired_folders(ask(image_size=None), root=str(shared_data / "membranes"))
    assert cells.fields == {"source": Image(1, 256, 256), "target": Image(1, 256, 256)}
    depth = paired_folders(ask(image_size=(48, 64)), root=str(shared_data / "rgbd"), shares=[1, 0, 0])
    assert depth.example(0, GENERATOR)["target"].dtype == np.uint16
    assert len(depth) == 5
