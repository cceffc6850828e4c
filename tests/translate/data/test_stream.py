"""The stream: order and content are a function of (seed, position), whatever the workers, the rank and the past."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from translate.data import DataRequest, Dataset
from translate.data.stream import Stream, StreamSettings
from translate.errors import DataError, MachineError
from translate.pictures import read_picture
from translate.specs import Image, Label, Spec, Vector


class Numbers:
    """Example i holds i as a label, a picture of random noise, and a random vector."""

    def __init__(self, count: int = 10, size: tuple[int, int] = (8, 8)) -> None:
        self.count, self.size = count, size
        self.fields: Mapping[str, Spec] = {"image": Image(3, *size), "index": Label(count), "code": Vector(2)}

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
        picture = np.random.default_rng(index).integers(0, 256, (*self.size, 3), dtype=np.uint8)
        return {"image": picture, "index": np.int64(index), "code": generator.random(2, dtype=np.float32)}  # type: ignore[dict-item]

    def name(self, index: int) -> str:
        return f"number{index}"


class Bad(Numbers):
    """Example 3 is a damaged file, or whatever `how` says."""

    def __init__(self, how: str, file: str = "") -> None:
        super().__init__()
        self.how, self.file = how, file

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
        good = dict(super().example(index, generator))
        if index != 3:
            return good
        if self.how == "file":
            read_picture(self.file)
        elif self.how == "raise":
            raise KeyError("a bug")
        elif self.how == "exit":
            os._exit(1)
        elif self.how == "missing":
            del good["code"]
        else:
            good |= {
                "channels": {"image": good["image"][:, :, :1]},
                "type": {"image": good["image"].astype(float)},
            }.get(self.how, {})
            good |= {"label": {"index": np.int64(99)}, "vector": {"code": np.zeros(3, np.float32)}}.get(self.how, {})  # type: ignore[dict-item]
        return good


def settings(**changes: Any) -> StreamSettings:
    return StreamSettings(
        **{"image_size": (8, 8), "transforms": ["HorizontalFlip", {"ColorJitter": {"p": 1}}], "seed": 5} | changes
    )


def take(stream: Stream, count: int, position: int = 0) -> list[dict[str, torch.Tensor]]:
    iterator = stream.batches(position)
    try:
        return list(itertools.islice(iterator, count))
    finally:
        iterator.close()  # type: ignore[attr-defined]


def same(one: list[dict[str, torch.Tensor]], two: list[dict[str, torch.Tensor]]) -> bool:
    return len(one) == len(two) and all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in zip(one, two, strict=True)
    )


def indices(batches: list[dict[str, torch.Tensor]]) -> list[int]:
    return [int(i) for batch in batches for i in batch["index"]]


def test_numbers_is_a_dataset() -> None:
    assert isinstance(Numbers(), Dataset)
    assert DataRequest(split="train", image_size=None, seed=0).value_range == (-1.0, 1.0)


def test_shapes_types_and_specs() -> None:
    stream = Stream(Numbers(), settings(value_range=(0.0, 1.0)), batch_size=4)
    batch = take(stream, 1)[0]
    assert {name: (tuple(v.shape), v.dtype) for name, v in batch.items()} == {
        "image": ((4, 3, 8, 8), torch.float32),
        "index": ((4,), torch.int64),
        "code": ((4, 2), torch.float32),
    }
    assert stream.fields["image"] == Image(3, 8, 8, 0.0, 1.0)
    assert len(stream) == 10
    assert stream.name(3) == "number3"


def test_pixels_values_and_layout() -> None:
    data = Numbers()
    batch = Stream(data, settings(), batch_size=1).examples([7, 2])
    for row, index in enumerate([7, 2]):
        picture = data.example(index, np.random.default_rng())["image"]
        expected = picture.transpose(2, 0, 1) / 255 * 2 - 1
        assert np.allclose(batch["image"][row].numpy(), expected, atol=1e-6)
    everything = take(Stream(data, settings(), batch_size=10), 1)[0]["image"]
    assert everything.min() >= -1
    assert everything.max() <= 1


def test_black_and_white_are_exact() -> None:
    class Ends(Numbers):
        def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            return dict(super().example(index, generator)) | {"image": np.full((8, 8, 3), 255 * (index % 2), np.uint8)}

    for low, high in [(-1.0, 1.0), (0.0, 1.0), (-0.3, 0.7)]:
        found = Stream(Ends(), settings(value_range=(low, high)), batch_size=1).examples([0, 1])["image"]
        assert found.unique().tolist() == torch.tensor([low, high]).tolist()


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_workers(workers: int) -> None:
    alone = take(Stream(Numbers(), settings(), batch_size=4), 7)
    assert same(alone, take(Stream(Numbers(), settings(workers=workers), batch_size=4), 7))
    assert multiprocessing.active_children() == []


def test_every_epoch_sees_each_index_once_in_another_order() -> None:
    found = indices(take(Stream(Numbers(), settings(), batch_size=4), 5))
    assert sorted(found[:10]) == sorted(found[10:]) == list(range(10))
    assert found[:10] != found[10:]
    assert found[:10] != list(range(10))


def test_the_seed_changes_the_order() -> None:
    one, two = (indices(take(Stream(Numbers(), settings(seed=s), batch_size=5), 2)) for s in (1, 2))
    assert one != two


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_at_a_position_gives_the_tail(workers: int) -> None:
    whole = take(Stream(Numbers(), settings(), batch_size=4), 8)
    assert same(whole[3:], take(Stream(Numbers(), settings(workers=workers), batch_size=4), 5, position=12))


def test_the_shares_of_the_ranks_make_the_batch() -> None:
    whole = take(Stream(Numbers(), settings(), batch_size=6), 4)
    shares = [take(Stream(Numbers(), settings(), batch_size=6, rank=r, world_size=3), 4) for r in range(3)]
    joined = [{name: torch.cat([share[i][name] for share in shares]) for name in whole[i]} for i in range(4)]
    assert same(whole, joined)


@pytest.mark.parametrize("workers", [0, 2])
def test_augmentations_never_repeat(workers: int) -> None:
    """One picture again and again: each time, in each worker and each epoch, it is changed in another way."""
    stream = Stream(Numbers(1), settings(transforms=[{"ColorJitter": {"p": 1}}], workers=workers), batch_size=2)
    found = [image.numpy().tobytes() for batch in take(stream, 20) for image in batch["image"]]
    assert len(set(found)) == 40


def test_the_randomness_of_datasets_never_repeats() -> None:
    codes = torch.cat([batch["code"] for batch in take(Stream(Numbers(), settings(), batch_size=4), 10)])
    assert len({tuple(code.tolist()) for code in codes}) == 40


def test_previews_have_no_transforms_and_are_the_same_each_time() -> None:
    stream = Stream(Numbers(), settings(transforms=[{"InvertImg": {"p": 1}}]), batch_size=1)
    plain = Stream(Numbers(), settings(transforms=[]), batch_size=1)
    assert same([stream.examples([4, 1])], [plain.examples([4, 1])])
    assert not torch.equal(take(stream, 1)[0]["image"], take(plain, 1)[0]["image"])


def test_pictures_are_resized_to_the_image_size() -> None:
    for transforms in ([], ["HorizontalFlip"]):
        stream = Stream(Numbers(), settings(image_size=(4, 6), transforms=transforms), batch_size=2)
        assert take(stream, 1)[0]["image"].shape == (2, 3, 4, 6)
        assert stream.fields["image"].shape == (3, 4, 6)
    assert stream.examples([0])["image"].shape == (1, 3, 4, 6)


def test_the_interpolation_is_the_pipelines_then_the_datasets() -> None:
    class Maps(Numbers):
        interpolation: Mapping[str, str] = MappingProxyType({"image": "nearest"})

    def values(**changes: Any) -> int:
        stream = Stream(Maps(), settings(image_size=(5, 5), transforms=[], **changes), batch_size=1)
        original = np.concatenate([Maps().example(0, np.random.default_rng())["image"].ravel() / 255 * 2 - 1])
        found = stream.examples([0])["image"].numpy().ravel()
        return int(np.isclose(found[:, None], original[None], atol=1e-5).any(axis=1).mean() == 1)

    assert values() == 1
    assert values(interpolation={"image": "area"}) == 0
    with pytest.raises(DataError, match="Did you mean 'image'"):
        values(interpolation={"imagee": "area"})
    with pytest.raises(DataError, match="Did you mean 'area'"):
        values(interpolation={"image": "aera"})


def test_transforms_of_another_size_than_the_image_size_are_named() -> None:
    stream = Stream(Numbers(), settings(transforms=[{"RandomCrop": 6}]), batch_size=1)
    with pytest.raises(DataError, match=r"number\d.*6x6 after data\.transforms but data\.image_size says 8x8"):
        take(stream, 1)


def test_a_crop_larger_than_the_picture_is_named() -> None:
    stream = Stream(Numbers(), settings(transforms=[{"RandomCrop": 9}]), batch_size=1)
    with pytest.raises(DataError, match=r"number\d.*data\.transforms cannot be applied to image 8x8"):
        take(stream, 1)


def test_pictures_of_different_sizes_need_an_image_size() -> None:
    class Mixed(Numbers):
        def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            picture = np.zeros((8 + index, 8, 3), np.uint8)
            return dict(super().example(index, generator)) | {"image": picture}

    with pytest.raises(DataError, match=r"number1.*9x8 but the dataset.*8x8.*set data\.image_size"):
        Stream(Mixed(), settings(image_size=None, transforms=[]), batch_size=1).examples([0, 1])
    assert Stream(Mixed(), settings(transforms=[]), batch_size=1).examples([0, 1])["image"].shape == (2, 3, 8, 8)


def test_16_bits_keep_their_precision() -> None:
    class Deep(Numbers):
        def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            return dict(super().example(index, generator)) | {"image": np.full((8, 8, 3), 30_000 + index, np.uint16)}

    stream = Stream(Deep(), settings(transforms=["HorizontalFlip"], value_range=(0.0, 1.0)), batch_size=10)
    found = sorted({round(float(v) * 65535) for v in take(stream, 1)[0]["image"].unique()})
    assert found == list(range(30_000, 30_010))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_named(tmp_path: Path, workers: int) -> None:
    file = tmp_path / "broken.png"
    file.write_bytes(b"damaged")
    stream = Stream(Bad("file", str(file)), settings(workers=workers), batch_size=2)
    with pytest.raises(DataError, match="not an accepted picture") as caught:
        take(stream, 5)
    assert caught.value.where == str(file)
    assert "accepted are PNG" in str(caught.value.fix)
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bug_in_a_dataset_names_the_example(workers: int) -> None:
    stream = Stream(Bad("raise"), settings(workers=workers), batch_size=2)
    with pytest.raises(DataError, match=r"number3.*KeyError: 'a bug'") as caught:
        take(stream, 5)
    assert "in example" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("missing", "'code' should be Vector.* missing"),
        ("channels", "'image' should be Image.* 1 channels"),
        ("type", "'image' should be Image.* float64"),
        ("label", "'index' should be Label.* 99"),
        ("vector", "'code' should be Vector.* 3 of float32"),
    ],
)
def test_examples_that_break_their_spec_are_named(how: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        Stream(Bad(how), settings(), batch_size=1).examples([3])


def test_a_worker_that_dies_is_a_machine_error() -> None:
    with pytest.raises(MachineError, match=r"ended with exit code 1.*data\.workers") as caught:
        take(Stream(Bad("exit"), settings(workers=1), batch_size=2), 5)
    assert caught.value.where == "example 3 (number3)"
    assert multiprocessing.active_children() == []


def test_a_worker_that_dies_with_a_batch_that_nobody_has_fetched_yet() -> None:
    iterator = Stream(Numbers(), settings(workers=1), batch_size=2).batches()
    next(iterator)
    time.sleep(0.5)  # the next batches wait in its memory
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid or 0, signal.SIGKILL)
    with pytest.raises(MachineError, match=r"was killed by SIGKILL.*data\.workers"):
        list(itertools.islice(iterator, 5))


def test_a_worker_that_hangs_does_not_hang_the_run() -> None:
    class Slow(Numbers):
        def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            time.sleep(600)
            return {}

    with pytest.raises(MachineError, match=r"hangs: it gave no batch for 0\.5 seconds.*data\.worker_timeout") as caught:
        take(Stream(Slow(), settings(workers=1, worker_timeout=0.5), batch_size=2), 1)
    assert re.fullmatch(r"example \d \(number\d\)", caught.value.where or "")
    assert multiprocessing.active_children() == []


def test_closing_and_dropping_end_the_workers() -> None:
    iterator = Stream(Numbers(), settings(workers=2), batch_size=2).batches()
    next(iterator)
    assert len(multiprocessing.active_children()) == 2
    iterator.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []
    iterator = Stream(Numbers(), settings(workers=1), batch_size=2).batches()
    next(iterator)
    del iterator
    assert multiprocessing.active_children() == []


def test_workers_leave_requests_to_stop_to_their_parent() -> None:
    iterator = Stream(Numbers(), settings(workers=1), batch_size=2).batches()
    first = next(iterator)
    for worker in multiprocessing.active_children():
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(worker.pid or 0, number)
    rest = list(itertools.islice(iterator, 4))
    iterator.close()  # type: ignore[attr-defined]
    assert same([first, *rest], take(Stream(Numbers(), settings(), batch_size=2), 5))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_of_another_size_go_on_where_the_others_stopped(workers: int) -> None:
    one = torch.cat([batch["image"] for batch in take(Stream(Numbers(), settings(), batch_size=1), 15)])
    stream = Stream(Numbers(), settings(workers=workers), batch_size=4)
    first = take(stream, 2)
    iterator = stream.batches(8, 3)
    later = [next(iterator), next(iterator)]
    iterator.close()
    assert [len(batch["image"]) for batch in (*first, *later)] == [4, 4, 3, 3]
    assert torch.equal(torch.cat([batch["image"] for batch in (*first, *later)]), one[:14])


def test_ranks_share_batches_of_another_size() -> None:
    def batch(rank: int, world_size: int) -> torch.Tensor:
        stream = Stream(Numbers(), settings(), batch_size=2, rank=rank, world_size=world_size)
        return next(stream.batches(5, 6))["image"]

    assert torch.equal(torch.cat([batch(rank, 2) for rank in range(2)]), batch(0, 1))


def test_the_examples_can_be_sent_to_spawned_workers() -> None:
    stream = Stream(Numbers(), settings(), batch_size=2)
    first = take(stream, 1)
    copy = pickle.loads(pickle.dumps(stream))  # noqa: S301 (what multiprocessing does)
    assert same(first, take(copy, 1))


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="multiple of the 2 processes"):
        Stream(Numbers(), settings(), batch_size=3, world_size=2)
    with pytest.raises(ValueError, match="multiple of the 2 processes"):
        Stream(Numbers(), settings(), batch_size=4, world_size=2).batches(4, 3)
    with pytest.raises(ValueError, match="must not be negative"):
        Stream(Numbers(), settings(), batch_size=4).batches(-4)
    with pytest.raises(DataError, match="no examples"):
        Stream(Numbers(0), settings(), batch_size=1)
