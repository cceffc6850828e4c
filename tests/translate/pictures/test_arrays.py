"""Pictures as .npy: any number of channels, three types, and headers that cannot be trusted."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from translate.errors import DataError
from translate.pictures import as_channels, as_depth, picture_info, read_picture, suffix_for, write_picture


def values(channels: int, dtype: str = "uint16", size: tuple[int, int] = (5, 7)) -> np.ndarray:
    made = np.random.default_rng(channels).random((*size, channels), dtype=np.float32)
    return made if dtype == "float32" else as_depth(made, dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 200])
def test_round_trip_and_what_numpy_writes(tmp_path: Path, dtype: str, channels: int) -> None:
    array = values(channels, dtype)
    np.save(tmp_path / "theirs.npy", array)
    write_picture(tmp_path / "ours.npy", array)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "theirs.npy").read_bytes()
    found = read_picture(tmp_path / "theirs.npy")
    assert found.dtype == array.dtype
    assert np.array_equal(found, array), "also four channels stay: they are no alpha"
    assert np.array_equal(read_picture(tmp_path / "ours.npy", channels=channels), array)
    assert picture_info(tmp_path / "ours.npy") == (5, 7, channels, 8 if dtype == "uint8" else 16)


def test_two_dimensions_are_one_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values(1)[:, :, 0])
    assert np.array_equal(read_picture(tmp_path / "a.npy"), values(1))
    write_picture(tmp_path / "b.npy", values(1)[:, :, 0])
    assert np.array_equal(np.load(tmp_path / "b.npy"), values(1))


@pytest.mark.parametrize("dtype", [">u2", "<u2", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_byte_orders_and_memory_orders(tmp_path: Path, dtype: str, order: str) -> None:
    array = values(5, "float32" if "f" in dtype else "uint16")
    np.save(tmp_path / "a.npy", np.asarray(array.astype(dtype), order=order))
    found = read_picture(tmp_path / "a.npy")
    assert found.dtype.isnative
    assert found.flags.c_contiguous
    assert np.array_equal(found, array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_versions_of_the_format(tmp_path: Path, version: tuple[int, int]) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, values(2), version=version)
    assert np.array_equal(read_picture(tmp_path / "a.npy"), values(2))


def test_it_is_told_by_content(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values(2))
    (tmp_path / "a.npy").rename(tmp_path / "a.png")
    assert np.array_equal(read_picture(tmp_path / "a.png"), values(2))


def test_channels_are_converted_between_1_3_and_4_only(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values(2))
    with pytest.raises(DataError, match=r"has 2 channels, and 3 are wanted") as caught:
        read_picture(tmp_path / "a.npy", channels=3)
    assert caught.value.where == str(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", values(1))
    assert np.array_equal(read_picture(tmp_path / "b.npy", channels=3), np.repeat(values(1), 3, axis=2))
    with pytest.raises(DataError, match="has 1 channel, and 5 are wanted"):
        read_picture(tmp_path / "b.npy", channels=5)


def test_floats_are_converted_as_integers_are() -> None:
    deep = values(4, "uint16", (40, 40))
    unit = (deep / np.float64(65535)).astype(np.float32)
    for channels in (1, 3):
        close = as_channels(unit, channels) * 65535.0 - as_channels(deep, channels)
        assert np.abs(close).max() <= 1.1, channels
    grey = unit[:, :, :1]
    assert (as_channels(grey, 4)[:, :, 3] == 1).all()


def test_depths_are_converted_exactly() -> None:
    every = np.arange(65536).astype(np.uint16).reshape(1, -1, 1)
    down = as_depth(every, np.uint8)
    assert np.array_equal(down, np.rint(every / 257).astype(np.uint8)), "there are no ties: 257 is odd"
    bytes_ = np.arange(256).astype(np.uint8).reshape(1, -1, 1)
    up = as_depth(bytes_, np.uint16)
    assert up.ravel().tolist() == [value * 257 for value in range(256)]
    assert np.array_equal(as_depth(up, np.uint8), bytes_)
    assert as_depth(every, np.uint16) is every
    unit = (every / np.float64(65535)).astype(np.float32)
    assert np.array_equal(as_depth(unit, np.uint16), every)


# --- refusals ---


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 2, 2)), "of type '<f8'"),
        (np.zeros((2, 2, 2), np.int32), "of type '<i4'"),
        (np.zeros((2, 2, 2), bool), "of type"),
        (np.zeros((2, 2, 2), [("a", "u1")]), "of type"),
        (np.zeros((2,), np.uint8), r"has the shape \(2,\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"has the shape \(1, 2, 2, 3\)"),
        (np.zeros((0, 2, 2), np.uint8), r"has the shape \(0, 2, 2\)"),
        (np.full((2, 2, 2), 1.5, np.float32), r"lie in 1\.5 to 1\.5, and floats must lie in \[0, 1\]"),
        (np.full((2, 2, 2), -0.1, np.float32), "must lie in"),
        (np.full((2, 2, 2), np.nan, np.float32), "must lie in"),
        (np.full((2, 2, 2), np.inf, np.float32), "must lie in"),
    ],
)
def test_other_arrays_are_refused_by_name(tmp_path: Path, array: np.ndarray, text: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=text) as caught:
        read_picture(tmp_path / "a.npy")
    assert caught.value.where == str(tmp_path / "a.npy")
    assert caught.value.fix


class Trap:
    def __reduce__(self):
        return os.mkdir, ("sprung",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "a.npy", np.array([[[Trap()]]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"of type '\|O'"):
        read_picture(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="not an accepted picture"):
        read_picture(tmp_path / "b.npy")
    assert not (tmp_path / "sprung").exists()


def header(text: str, version: int = 1) -> bytes:
    content = text.encode("latin-1")
    length = len(content).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + content


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (30000, 30000, 3), }"), "too large"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000, 1000, 3), }"), "cut off: .* 3000000 bytes"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (10, 10, 10**30), }"), "damaged"),
        (header("{'descr': '|u1', 'fortran_order': False, 'shape': (True, 1, 1), }"), "shape"),
        (header("{'descr': '|u1', 'fortran_order': 0, 'shape': (1, 1, 1), }") + b"x", "damaged"),
        (header("{'descr': ['|u1'], 'fortran_order': False, 'shape': (1, 1, 1), }") + b"x", "of type"),
        (header("__import__('os')"), "damaged"),
        (header("[1]"), "damaged"),
        (header("("*900), "damaged"),
        (header("-" * 900 + "1"), "damaged"),
        (header("{'a': '\\d'}"), "damaged"),
        (header(" " * 2000), "damaged"),
        (header("{}", version=9), "damaged"),
        (b"\x93NUMPY", "damaged"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "damaged"),
    ],
)  # fmt: skip
def test_headers_that_lie(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    for look in (read_picture, picture_info):
        with pytest.raises(DataError, match=text) as caught:
            look(tmp_path / "a.npy")
        assert caught.value.where == str(tmp_path / "a.npy")


def test_the_limit_is_on_height_times_width(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10, 10, 30), np.uint8))
    assert read_picture(tmp_path / "a.npy", max_pixels=100).shape == (10, 10, 30)
    with pytest.raises(DataError, match=r"10 x 10 pixels.*limit is 99"):
        read_picture(tmp_path / "a.npy", max_pixels=99)


def test_mutated_arrays_never_escape(tmp_path: Path) -> None:
    rng = random.Random(0)
    np.save(tmp_path / "good.npy", values(3, "float32"))
    good = (tmp_path / "good.npy").read_bytes()
    path, refused = tmp_path / "mutant.npy", []
    for _ in range(2000):
        content = bytearray(good)
        for _ in range(rng.choice([1, 3, 20])):
            content[rng.randrange(160)] = rng.randrange(256)
        path.write_bytes(content[: rng.randrange(1, len(content) + 1)] if rng.random() < 0.2 else content)
        try:
            read_picture(path)
        except DataError as exc:
            refused.append(str(exc))
    assert len(refused) > 500
    assert all("mutant" in text for text in refused)


def test_which_suffix_holds_what() -> None:
    assert [suffix_for(channels) for channels in (1, 2, 3, 4, 5, 100)] == [
        ".png",
        ".npy",
        ".png",
        ".png",
        ".npy",
        ".npy",
    ]
