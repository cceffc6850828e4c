"""Fields that a dataset makes from transformed and resized pictures (`finish`)."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from translate.data.stream import Stream, StreamSettings
from translate.errors import DataError
from translate.specs import Image, Label, Spec, Vector

CHAIN = ["HorizontalFlip", {"RandomCrop": 16}, {"ColorJitter": {"p": 1}}]


class Corner:
    """A picture; the rest is made of it: its upper left corner, its negative, a random vector and a number."""

    finished: Any = ("corner", "negative", "code", "half")

    def __init__(self) -> None:
        self.fields: Mapping[str, Spec] = {
            "corner": Image(3, 4, 6),
            "picture": Image(3, 16, 16),
            "negative": Image(3, 16, 16),
            "index": Label(9),
            "code": Vector(2),
            "half": Label(5),
        }
        self.interpolation = {"picture": "bicubic"}

    def __len__(self) -> int:
        return 9

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
        noise = np.random.default_rng(index).integers(0, 256, (20, 24, 3), dtype=np.uint8)
        noise.flags.writeable = False
        return {"picture": noise, "index": np.asarray(index, np.int64)}

    def finish(self, example: Mapping[str, np.ndarray], generator: np.random.Generator) -> Mapping[str, np.ndarray]:
        picture = example["picture"]
        return {
            "negative": 255 - picture,
            "corner": picture[:4, :6],
            "code": generator.random(2, dtype=np.float32),
            "half": example["index"] // 2,
            "picture": np.zeros((1, 1, 3), np.uint8),  # not in `finished`: not taken
        }

    def name(self, index: int) -> str:
        return f"c{index}"


class Broken(Corner):
    def __init__(self, **values: Any) -> None:
        super().__init__()
        self.values = values

    def finish(self, example: Mapping[str, np.ndarray], generator: np.random.Generator) -> Mapping[str, np.ndarray]:
        made = dict(super().finish(example, generator)) | self.values
        return {name: value for name, value in made.items() if value is not None}


def stream(dataset: Any, **changes: Any) -> Stream:
    return Stream(dataset, StreamSettings(**{"image_size": (16, 16), "transforms": CHAIN} | changes), batch_size=3)


def take(of: Stream, count: int) -> list[dict[str, torch.Tensor]]:
    iterator = of.batches()
    try:
        return list(itertools.islice(iterator, count))
    finally:
        iterator.close()  # type: ignore[attr-defined]


def check(batch: Mapping[str, torch.Tensor]) -> None:
    assert torch.equal(batch["corner"], batch["picture"][:, :, :4, :6])
    assert torch.allclose(batch["negative"], -batch["picture"], atol=1e-6)
    assert torch.equal(batch["half"], batch["index"] // 2)


def test_finished_fields_are_made_of_the_transformed_and_resized_pictures() -> None:
    for batch in take(stream(Corner()), 6):
        check(batch)
    plain = stream(Corner()).examples([3, 1])
    check(plain)
    assert list(plain) == list(Corner().fields)


def test_their_specs_have_their_own_size_and_the_value_range_of_the_batches() -> None:
    fields = stream(Corner(), value_range=(0.0, 1.0)).fields
    assert fields["corner"] == Image(3, 4, 6, 0.0, 1.0)
    assert fields["picture"] == Image(3, 16, 16, 0.0, 1.0)
    batch = take(stream(Corner(), value_range=(0.0, 1.0)), 1)[0]
    assert {name: tuple(value.shape[1:]) for name, value in batch.items()} == {
        name: spec.shape for name, spec in fields.items()
    }
    assert 0 <= batch["corner"].min() < 0.2 < 0.8 < batch["corner"].max() <= 1


def test_the_pictures_are_floats_where_they_are_deep() -> None:
    class Deep(Corner):
        def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            example = dict(super().example(index, generator))
            return example | {"picture": example["picture"].astype(np.uint16) * 257}

        def finish(self, example: Mapping[str, np.ndarray], generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            assert example["picture"].dtype == np.float32
            return dict(super().finish(example, generator)) | {"negative": 1 - example["picture"]}

    check(take(stream(Deep()), 1)[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_randomness_of_finish_is_that_of_the_example(workers: int) -> None:
    alone = take(stream(Corner()), 12)
    again = take(stream(pickle.loads(pickle.dumps(Corner())), workers=workers), 12)  # noqa: S301 (what workers do)
    for one, two in zip(alone, again, strict=True):
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert len({tuple(code.tolist()) for batch in alone for code in batch["code"]}) == 36
    first, second = (stream(Corner()).examples([4])["code"] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"code": None}, r"c3.*'code' should be Vector\(2\), but it is missing"),
        ({"corner": np.zeros((5, 6, 3), np.uint8)}, r"c3.*'corner' should be Image\(3x4x6 .*, but it is 5x6"),
        ({"corner": np.zeros((4, 6, 1), np.uint8)}, "it has 1 channels"),
        ({"half": np.asarray(7, np.int64)}, "'half' should be Label.*it is 7"),
    ],
)
def test_what_finish_makes_is_checked(values: dict[str, Any], text: str) -> None:
    with pytest.raises(DataError, match=text):
        stream(Broken(**values)).examples([3])


def test_a_bug_in_finish_names_the_example() -> None:
    class Buggy(Corner):
        def finish(self, example: Mapping[str, np.ndarray], generator: np.random.Generator) -> Mapping[str, np.ndarray]:
            raise KeyError("a bug")

    with pytest.raises(DataError, match=r"c3.*KeyError: 'a bug'") as caught:
        stream(Buggy()).examples([3])
    assert "in finish" in "".join(caught.value.__notes__)


def test_finished_fields_are_not_resized_so_that_an_interpolation_of_theirs_is_refused() -> None:
    with pytest.raises(DataError, match=r"'corner', which is made after resizing.*image fields are picture"):
        stream(Corner(), interpolation={"corner": "area"})


def test_groups_are_of_the_fields_that_are_transformed() -> None:
    class Grouped(Corner):
        aligned = (("picture",),)

    check(take(stream(Grouped()), 1)[0])


def test_without_transforms_and_size_the_pictures_are_as_they_are() -> None:
    class Own(Corner):
        def __init__(self) -> None:
            super().__init__()
            self.fields = {**self.fields, "picture": Image(3, 20, 24), "negative": Image(3, 20, 24)}

    check(take(stream(Own(), image_size=None, transforms=[]), 1)[0])
