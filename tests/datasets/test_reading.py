"""Channels and depths that the datasets of folders find, also in arrays."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from translate.data import DataRequest
from translate.data.stream import Stream, StreamSettings
from translate.errors import DataError
from translate.pictures import write_picture
from translate.signatures import read_schema
from translate.specs import Image
from translate_datasets.paired_folders import paired_folders
from translate_datasets.reading import Reader, channels_of, depth_of, image_spec, look_at
from translate_datasets.side_by_side import side_by_side
from translate_datasets.single_folder import single_folder

REQUEST = DataRequest(split="train", image_size=None, seed=0)
GENERATOR = np.random.default_rng(0)


def made(channels: int, dtype: Any = np.uint8, size: tuple[int, int] = (6, 4)) -> np.ndarray:
    unit = np.random.default_rng(channels).random((*size, channels), dtype=np.float32)
    return unit if dtype == np.float32 else (unit * np.iinfo(dtype).max).astype(dtype)


def fill(folder: Path, *pictures: tuple[str, np.ndarray]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in pictures:
        write_picture(folder / name, array)
    return [folder / name for name, _ in pictures]


@pytest.mark.parametrize(
    ("pictures", "channels", "bits"),
    [
        ([("a.png", made(1)), ("b.png", made(1))], 1, 8),
        ([("a.png", made(1)), ("b.png", made(3))], 3, 8),
        ([("a.png", made(1)), ("b.png", made(1, np.uint16))], 1, 16),
        ([("a.png", made(3, np.uint16))], 3, 16),
        ([("a.npy", made(2)), ("b.npy", made(2))], 2, 8),
        ([("a.npy", made(5, np.uint16))], 5, 16),
        ([("a.npy", made(2, np.float32))], 2, 16),
        ([("a.npy", made(4))], 4, 8),
    ],
)
def test_channels_and_depth_are_those_of_the_pictures(
    tmp_path: Path, pictures: list[tuple[str, np.ndarray]], channels: int, bits: int
) -> None:
    paths = fill(tmp_path, *pictures)
    assert image_spec(REQUEST, paths, None) == Image(channels, 6, 4, bits=bits)
    assert (channels_of(look_at(paths, REQUEST), 7), depth_of(look_at(paths, REQUEST))) == (7, bits), (
        "an explicit value wins"
    )
    assert single_folder(REQUEST, root=str(tmp_path), shares=[1, 0, 0]).fields["image"] == Image(
        channels, 6, 4, bits=bits
    )


def test_arrays_are_read_as_they_are(tmp_path: Path) -> None:
    source, target = made(2, np.uint16), made(5, np.float32)
    fill(tmp_path / "A", ("a.npy", source))
    fill(tmp_path / "B", ("a.npy", target))
    data = paired_folders(REQUEST, root=str(tmp_path), shares=[1, 0, 0])
    assert data.fields == {"source": Image(2, 6, 4, bits=16), "target": Image(5, 6, 4, bits=16)}
    example = data.example(0, GENERATOR)
    assert example["source"].dtype == np.uint16
    assert np.array_equal(example["source"], source)
    assert np.array_equal(example["target"], target)


def test_batches_hold_the_full_depth(tmp_path: Path) -> None:
    deep = made(2, np.uint16, (8, 8))
    fill(tmp_path, ("a.npy", deep))
    data = single_folder(REQUEST, root=str(tmp_path), shares=[1, 0, 0])
    stream = Stream(data, StreamSettings(image_size=(8, 8), transforms=["HorizontalFlip"]), batch_size=1)
    assert stream.fields["image"] == Image(2, 8, 8, bits=16), "sizes and ranges are set, the depth stays"
    plain = stream.examples([0])["image"][0]
    levels = ((plain + 1) / 2 * 65535).round().to(torch.int64).permute(1, 2, 0).numpy()
    assert np.array_equal(levels, deep)
    flipped = {next(stream.batches(position))["image"].numpy().tobytes() for position in range(20)}
    assert len(flipped) == 2
    small = Stream(data, StreamSettings(image_size=(4, 4)), batch_size=1).examples([0])["image"]
    assert small.shape == (1, 2, 4, 4)
    assert len(small.unique()) == small.numel()


@pytest.mark.parametrize("channels", [1, 2, 5, 7])
def test_transforms_work_on_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    fill(tmp_path, ("a.npy", made(channels, np.uint16, (12, 16))))
    data = single_folder(REQUEST, root=str(tmp_path), shares=[1, 0, 0])
    chain = [{"Resize": 12}, {"RandomCrop": 8}, "HorizontalFlip", {"Rotate": {"limit": [20, 20], "p": 1}}]
    batch = next(Stream(data, StreamSettings(image_size=(8, 8), transforms=chain), batch_size=2).batches())
    assert batch["image"].shape == (2, channels, 8, 8)


def test_channels_that_cannot_be_had_are_named_with_the_file(tmp_path: Path) -> None:
    fill(tmp_path, ("a.png", made(3)), ("b.npy", made(5)))
    data = single_folder(REQUEST, root=str(tmp_path), shares=[1, 0, 0])
    assert data.fields["image"].channels == 5
    with pytest.raises(DataError, match=r"a\.png.*has 3 channels, and 5 are wanted; only 1, 3 and 4 channels"):
        data.example(0, GENERATOR)


def test_halves_of_arrays(tmp_path: Path) -> None:
    both = made(5, np.uint16, (4, 12))
    fill(tmp_path, ("a.npy", both))
    data = side_by_side(REQUEST, root=str(tmp_path), shares=[1, 0, 0])
    assert data.fields == {"source": Image(5, 4, 6, bits=16), "target": Image(5, 4, 6, bits=16)}
    assert np.array_equal(data.example(0, GENERATOR)["target"], both[:, 6:])
    wrong = side_by_side(REQUEST, root=str(tmp_path), shares=[1, 0, 0], target_channels=3)
    with pytest.raises(DataError, match=r"a\.npy.*has 5 channels, and 3 are wanted"):
        wrong.example(0, GENERATOR)


def test_any_number_of_channels_may_be_asked_for() -> None:
    schema = read_schema("dataset", single_folder)
    for channels in (None, 1, 2, 100):
        assert not schema.validate({"root": "x", "channels": channels})[1]
    for channels in (0, -1, 1.5, "three"):
        assert schema.validate({"root": "x", "channels": channels})[1]


def test_arrays_are_kept_in_the_cache_and_cannot_be_changed(tmp_path: Path) -> None:
    (path,) = fill(tmp_path, ("a.npy", made(2)))
    reader = Reader(1)
    first = reader.read(path, 2)
    assert reader.read(path, 2) is first
    assert not first.flags.writeable


def test_a_look_passes_over_what_is_no_picture_where_it_may(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    paths[0].write_bytes(b"no picture")
    Pillow.new("RGB", (4, 6)).save(paths[1])
    paths[2].write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png"):
        look_at(paths, REQUEST)
    assert [info[:2] for info in look_at(paths, replace(REQUEST, skip_bad=True))] == [(6, 4)]
    with pytest.raises(DataError, match=r"a\.png"):
        look_at([paths[0], paths[2]], replace(REQUEST, skip_bad=True))


def test_a_file_that_is_gone_or_changed_is_told_from_one_that_was_always_bad(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    os.utime(path, (1, 1))
    reader = Reader(0)
    with pytest.raises(DataError) as caught:
        reader.read(path, 3)
    assert "since the start" not in caught.value.what
    os.utime(path, (2**31 - 2, 2**31 - 2))
    with pytest.raises(DataError, match="the file has changed since the start"):
        pickle.loads(pickle.dumps(reader)).read(path, 3)  # noqa: S301
    path.unlink()
    with pytest.raises(DataError, match="the file was there at the start and is gone") as caught:
        reader.read(path, 3)
    assert caught.value.where == str(path)
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="a broken link"):
        reader.read(path, 3)
