"""MNIST's format: which file is taken, strict reading, and the validation share."""

from __future__ import annotations

import gzip
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_files import GENERATOR, ask, values, write_idx, write_mnist

from translate.data import DataRequest
from translate.data.stream import Stream, StreamSettings
from translate.errors import ComponentError, DataError
from translate.specs import Image, Label
from translate_datasets.idx import idx
from translate_datasets.picture_sets import fixed_order


def opened(root: Path, split: str = "train", **choices: Any) -> Any:
    return idx(ask(split, image_size=None), root=str(root), **choices)


def refusal(root: Path, split: str = "train", **choices: Any) -> str:
    with pytest.raises(DataError) as caught:
        opened(root, split, **choices)
    assert caught.value.where
    assert caught.value.fix
    return str(caught.value)


def pictures(data: Any) -> set[bytes]:
    return {data.example(index, GENERATOR)["image"].tobytes() for index in range(len(data))}


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_pictures_and_labels_as_they_are_stored(tmp_path: Path, suffix: str) -> None:
    data = opened(write_mnist(tmp_path, suffix=suffix), "test")
    assert data.fields == {"image": Image(1, 5, 4), "label": Label(4)}
    assert data.classes == ("0", "1", "2", "3")
    assert len(data) == 6
    stored = np.random.default_rng(1).integers(0, 256, (6, 5, 4), dtype=np.uint8)
    for index in range(6):
        example = data.example(index, GENERATOR)
        assert np.array_equal(example["image"], stored[index][:, :, None])
        assert example["label"] == index % 4
        assert example["label"].dtype == np.int64
    assert data.name(3) == "00003"
    assert data.where(3) == f"picture 3 of {tmp_path / 't10k-images-idx3-ubyte'}{suffix}"


def test_train_and_val_are_the_training_file_without_a_common_picture(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=50)
    train, val, test = (opened(tmp_path, split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (45, 5, 6)
    assert not pictures(train) & pictures(val)
    stored = np.random.default_rng(0).integers(0, 256, (50, 5, 4), dtype=np.uint8)
    assert pictures(train) | pictures(val) == {picture.tobytes() for picture in stored}
    for data in (train, val):
        for index in range(len(data)):
            number = int(data.name(index))
            assert np.array_equal(data.example(index, GENERATOR)["image"][:, :, 0], stored[number])
            assert values(data, index)["label"] == number % 4
    assert (len(opened(tmp_path, val_share=0)), len(opened(tmp_path, "val", val_share=0.5))) == (50, 25)


def test_the_validation_share_is_the_same_for_every_seed_for_ever(tmp_path: Path) -> None:
    assert fixed_order(12, "idx validation") == ORDER
    assert sorted(fixed_order(1000, "x")) == list(range(1000))
    assert fixed_order(1000, "x") != fixed_order(1000, "y")
    write_mnist(tmp_path, train=12)
    data = opened(tmp_path, "val", val_share=0.25)
    assert [int(data.name(index)) for index in range(3)] == sorted(ORDER[-3:])


ORDER = [5, 10, 9, 0, 4, 8, 2, 6, 3, 7, 1, 11]


def test_an_empty_validation_share(tmp_path: Path) -> None:
    write_mnist(tmp_path, train=5)
    assert "validation share of 5 pictures is empty (val_share is 0.1)" in refusal(tmp_path, "val")
    assert len(opened(tmp_path)) == 5


@pytest.mark.parametrize(
    "name", ["train-5000-images-idx3-ubyte.gz", "train-images.idx3-ubyte", "TRAIN-images-idx3-ubyte"]
)
def test_other_names_of_the_files(tmp_path: Path, name: str) -> None:
    write_mnist(tmp_path)
    stored = (tmp_path / "train-images-idx3-ubyte").read_bytes()
    (tmp_path / "train-images-idx3-ubyte").unlink()
    (tmp_path / name).write_bytes(stored)  # in gzip or not is told by the content
    assert len(opened(tmp_path)) == 18
    assert opened(tmp_path).where(0).endswith(name)


def test_several_files_are_refused_and_an_unpacked_one_is_taken_before_its_gz(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"never read")
    assert len(opened(tmp_path)) == 18
    write_idx(tmp_path / "train-5000-images-idx3-ubyte", np.zeros((3, 5, 4)))
    text = refusal(tmp_path)
    assert "several files of train images: train-5000-images-idx3-ubyte and train-images-idx3-ubyte;" in text


def test_without_labels_there_is_no_label(tmp_path: Path) -> None:
    data = opened(write_mnist(tmp_path, labels=False))
    assert list(data.fields) == ["image"]
    assert list(data.example(0, GENERATOR)) == ["image"]
    assert data.classes == ()


def test_colour(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3), dtype=np.uint8)
    write_idx(tmp_path / "t10k-images-idx4-ubyte", noise)
    data = opened(tmp_path, "test")
    assert data.fields == {"image": Image(3, 5, 4)}
    assert np.array_equal(data.example(2, GENERATOR)["image"], noise[2])
    assert opened(tmp_path, "test", channels=1).example(2, GENERATOR)["image"].shape == (5, 4, 1)
    write_idx(tmp_path / "t10k-images-idx4-ubyte", noise[:, :, :, :2])
    assert "its pictures have 2 channels (7x5x4x2), expected 1, 3 or 4" in refusal(tmp_path, "test")


def test_the_classes_are_those_of_training_in_every_split(tmp_path: Path) -> None:
    write_mnist(tmp_path, test=3)
    assert opened(tmp_path, "test").fields["label"] == Label(4)  # labels 0 to 2 occur
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.array([0, 1, 9]))
    assert "the label 9 does not occur in training, whose labels are below 4" in refusal(tmp_path, "test")


# --- what goes wrong ---


def test_missing_files(tmp_path: Path) -> None:
    (tmp_path / "MNIST").mkdir()
    text = refusal(tmp_path / "MNIST")
    assert "no file 'train-images-idx3-ubyte' here" in text
    assert "MNIST is empty" in text
    write_mnist(tmp_path / "MNIST" / "raw")
    assert refusal(tmp_path / "MNIST").endswith(f"set data.root to {tmp_path / 'MNIST' / 'raw'}")
    (tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte").unlink()
    assert "no file 't10k-images-idx3-ubyte' here" in refusal(tmp_path / "MNIST" / "raw", "test")
    assert "the folder is not there" in refusal(tmp_path / "nowhere")
    assert "a file, not a folder" in refusal(tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte")


def damaged(content: bytes, how: str) -> bytes:
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in (20, 5, 4))
    packed = gzip.compress(content, mtime=0)
    return {
        "empty": b"",
        "png": b"\x89PNG\r\n\x1a\n" + content,
        "magic of labels": bytes([0, 0, 8, 1]) + content[4:],
        "floats": bytes([0, 0, 13, 3]) + content[4:],
        "header": content[:9],
        "short": content[:-1],
        "long": content + b"\0",
        "no pictures": header[:4] + bytes(4) + header[8:],
        "huge": bytes([0, 0, 8, 3]) + b"\xff" * 12 + content[16:],
        "gzip cut": packed[:-20],
        "gzip in the header": packed[:5],
        "gzip flipped": packed[:60] + bytes([packed[60] ^ 255]) + packed[61:],
        "gzip sum": packed[:-8] + b"\0\0\0\0" + packed[-4:],
    }[how]


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("empty", "not an idx file: it begins with nothing, expected 00 00 08 03 or 00 00 08 04"),
        ("png", "not an idx file: it begins with 89 50 4e 47, expected 00 00 08 03 or"),
        ("magic of labels", "number of dimensions is 1, expected 3 (pictures x height x width) or 4"),
        ("floats", "its values are of type 0d, expected 08 (unsigned bytes)"),
        ("header", "ends in its header, after 9 of 16 bytes"),
        ("short", "its header says 20x5x4 = 400 bytes of values, but 399 follow"),
        ("long", "its header says 20x5x4 = 400 bytes of values, but more follow"),
        ("no pictures", "its header says 0x5x4, which is empty"),
        ("huge", "bytes of values, but 400 follow"),
        ("gzip cut", "cannot be read (Compressed file ended"),
        ("gzip in the header", "cannot be read"),
        ("gzip flipped", "cannot be read"),
        ("gzip sum", "cannot be read (CRC check failed"),
    ],
)
def test_damaged_files_say_what_was_found_and_expected(tmp_path: Path, how: str, text: str) -> None:
    file = write_mnist(tmp_path) / "train-images-idx3-ubyte"
    opened(tmp_path)
    file.write_bytes(damaged(file.read_bytes(), how))
    found = refusal(tmp_path)
    assert text in found
    assert found.startswith(str(file))


def test_labels_are_one_for_each_picture(tmp_path: Path) -> None:
    write_idx(write_mnist(tmp_path) / "train-labels-idx1-ubyte", np.arange(19) % 4)
    assert "20 pictures in train-images-idx3-ubyte but 19 labels in train-labels-idx1-ubyte" in refusal(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros((20, 2)))
    assert "number of dimensions is 2, expected 1 (labels)" in refusal(tmp_path)


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (write_mnist(tmp_path) / "train-images-idx3-ubyte").unlink()
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    assert "cannot be read (Is a directory)" in refusal(tmp_path)


# --- memory, processes, the stream ---


def test_the_pictures_are_in_memory_once_and_cannot_be_written_to(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    train, val = opened(tmp_path), opened(tmp_path, "val")
    bases = {id(_base(data.example(0, GENERATOR)["image"])) for data in (train, val, opened(tmp_path))}
    assert len(bases) == 1
    copy = pickle.loads(pickle.dumps(train))  # noqa: S301 (what multiprocessing does)
    for data in (train, copy):
        assert not data.example(0, GENERATOR)["image"].flags.writeable
    assert pictures(copy) == pictures(train)


def _base(array: Any) -> Any:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    before = pictures(opened(write_mnist(tmp_path)))
    write_idx(tmp_path / "train-images-idx3-ubyte", np.zeros((20, 5, 4)))
    assert pictures(opened(tmp_path)) != before


def test_in_the_stream(tmp_path: Path) -> None:
    data = idx(ask(), root=str(write_mnist(tmp_path)))
    stream = Stream(data, StreamSettings(image_size=(8, 8), transforms=["HorizontalFlip"]), batch_size=4)
    batch = next(stream.batches())
    assert batch["image"].shape == (4, 1, 8, 8)
    assert batch["label"].shape == (4,)


def test_mnist_and_fashion_mnist(shared_data: Path) -> None:
    sizes = [len(opened(shared_data / "mnist", split)) for split in ("train", "val", "test")]
    assert sizes == [54_000, 6_000, 10_000]
    val = opened(shared_data / "mnist", "val")
    assert val.fields == {"image": Image(1, 28, 28), "label": Label(10)}
    counts = Counter(values(val, index)["label"] for index in range(6000))
    assert all(480 < count < 720 for count in counts.values())
    fashion = opened(shared_data / "fashion_mnist")
    assert len(fashion) == 4500
    assert fashion.fields["label"] == Label(10)


def grey(tmp_path: Path, value: int, count: int = 40) -> Path:
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.full((count, 16, 16), value))
    return tmp_path


@pytest.mark.parametrize("value", [0, 51, 128, 255])
def test_binarised_pictures_are_white_with_the_probability_of_their_grey(tmp_path: Path, value: int) -> None:
    data = opened(grey(tmp_path, value), "test", binarise="sampled")
    found = np.stack([data.example(index, GENERATOR)["image"] for index in range(len(data))])
    assert found.dtype == np.uint8
    assert set(np.unique(found)) <= {0, 255}
    assert (found == 255).mean() == pytest.approx(value / 255, abs=0.015)
    assert value not in {0, 255} or (found == value).all()


def test_pictures_are_binarised_once_and_each_by_a_draw_of_its_own(tmp_path: Path) -> None:
    root = grey(tmp_path, 128)
    data, again = (opened(root, binarise="sampled") for _ in range(2))
    drawn = pictures(data)
    assert len(drawn) == len(data)  # all different
    assert pictures(again) == drawn
    assert pictures(pickle.loads(pickle.dumps(data))) == drawn  # noqa: S301 (ours)
    val, test = (pictures(opened(root, split, binarise="sampled")) for split in ("val", "test"))
    assert not drawn & val
    assert not drawn & test
    whole = pictures(opened(root, val_share=0, binarise="sampled"))
    assert drawn | val == whole  # a picture's draw is that of its number in the file
    assert {idx(OTHER_SEED, root=str(root), binarise="sampled").example(0, GENERATOR)["image"].tobytes()} <= drawn


OTHER_SEED = DataRequest(split="train", image_size=None, seed=99)


def test_a_threshold_is_half(tmp_path: Path) -> None:
    steps = np.arange(256).reshape(1, 16, 16)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", steps)
    data = opened(tmp_path, "test", binarise="threshold")
    assert np.array_equal(data.example(0, GENERATOR)["image"][:, :, 0], np.where(steps[0] >= 128, 255, 0))


@pytest.mark.parametrize("channels", [3, 4])
def test_binarised_pictures_are_the_same_in_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    root = grey(tmp_path, 128)
    single, several = (opened(root, binarise="sampled", channels=count) for count in (1, channels))
    for index in range(5):
        one, many = (data.example(index, GENERATOR)["image"] for data in (single, several))
        assert np.array_equal(many[:, :, :3], np.repeat(one, 3, axis=2))
        assert (many[:, :, 3:] == 255).all()


def test_binarised_pictures_keep_their_size(tmp_path: Path) -> None:
    root = grey(tmp_path, 9)
    wanted = r"binarised pictures keep their size, 16x16 \(got image_size 8x8\).*leave out data.image_size"
    with pytest.raises(ComponentError, match=wanted) as caught:
        idx(ask("test"), root=str(root), binarise="sampled")
    assert caught.value.where == "data.binarise"
    assert len(idx(ask("test", image_size=(16, 16)), root=str(root), binarise="sampled")) == 40
