"""Examples that cannot be read: who takes their place, how they are counted, and what is never left out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from translate import Image, Label, Vector
from translate.data.bad import BadExample, BadExamples
from translate.data.examples import Examples
from translate.data.stream import Stream, StreamSettings
from translate.errors import ComponentError, DataError


class Some:
    """Pictures that show their number, of which some cannot be read."""

    fields: Mapping[str, Image] = {"image": Image(1, 2, 2)}

    def __init__(self, bad: Collection[int], count: int = 400, error: type[Exception] = DataError) -> None:
        self.bad, self.count, self.error = frozenset(bad), count, error

    def __len__(self) -> int:
        return self.count

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Any]:
        if index in self.bad:
            if self.error is not DataError:
                raise self.error("something else")
            raise DataError("broken", where=f"file{index}", fix="mend it")
        noise = generator.random(dtype=np.float32) * 1e-4
        return {"image": np.full((2, 2, 1), index / self.count, np.float32) + noise}

    def name(self, index: int) -> str:
        return f"number{index}"


def settings(**choices: Any) -> StreamSettings:
    return StreamSettings(image_size=None, seed=7, value_range=(0.0, 1.0), **{"skip_bad": True, **choices})


def batches(stream: Stream, count: int, position: int = 0) -> list[torch.Tensor]:
    iterator = stream.batches(position)
    found = [batch["image"] for batch in itertools.islice(iterator, count)]
    iterator.close()  # type: ignore[attr-defined]
    return found


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


BAD = (3, 77, 200)


def test_another_example_takes_the_place_and_all_others_stay() -> None:
    whole, left = (batches(Stream(Some(bad), settings(), batch_size=8), 50) for bad in ((), BAD))
    differing = [q for q in range(400) if not torch.equal(whole[q // 8][q % 8], left[q // 8][q % 8])]
    assert len(differing) == 3
    shown = {round(float(left[q // 8][q % 8].mean()) * 400, 1) // 1 for q in range(400)}
    assert not shown & set(BAD)


def test_it_depends_on_the_place_alone() -> None:
    straight = batches(Stream(Some(BAD), settings(), batch_size=8), 110)  # more than two epochs
    by_workers = batches(Stream(Some(BAD), settings(workers=2), batch_size=8), 110)
    resumed = batches(Stream(Some(BAD), settings(), batch_size=8), 60, position=400)
    shares = [batches(Stream(Some(BAD), settings(), batch_size=8, rank=r, world_size=2), 110) for r in (0, 1)]
    assert same(straight, by_workers)
    assert same(straight[50:], resumed)
    assert same(straight, [torch.cat(pair) for pair in zip(*shares, strict=True)])


def test_the_place_in_another_epoch_holds_another_one() -> None:
    examples = Examples(Some({3}), settings())
    found = {float(examples.at(position)["image"].mean()) // 0.0025 for position in range(2000)}
    at_bad = []
    for epoch in range(5):
        place = next(q for q in range(epoch * 400, epoch * 400 + 400) if examples.at(q) and examples.take_bad())
        at_bad.append(float(examples.at(place)["image"].mean()))
    assert len(found) == 399
    assert len(set(at_bad)) == 5


@pytest.mark.parametrize("workers", [0, 2])
def test_they_are_counted_once_each_in_the_order_of_the_batches(workers: int) -> None:
    stream = Stream(Some(BAD), settings(workers=workers), batch_size=8)
    batches(stream, 110)
    assert stream.bad.found == dict.fromkeys(stream.bad.found, "broken")
    assert set(stream.bad.found) == {"file3", "file77", "file200"}
    alone = Stream(Some(BAD), settings(), batch_size=8)
    batches(alone, 110)
    assert list(stream.bad.found) == list(alone.bad.found)
    assert stream.bad.report()["left_out"] == 3
    assert stream.bad.report()["files"][0] == {"where": next(iter(alone.bad.found)), "what": "broken"}


@pytest.mark.parametrize("workers", [0, 2])
def test_more_than_one_in_a_hundred_stop_it(workers: int) -> None:
    stream = Stream(Some(range(5)), settings(workers=workers), batch_size=8)
    with pytest.raises(DataError, match=r"5 of 400 examples cannot be read, more than the 1 %") as caught:
        batches(stream, 50)
    assert str(caught.value.where) in {f"file{n}" for n in range(5)}
    assert "translate check" in str(caught.value.fix)
    assert len(caught.value.block().splitlines()) == 4
    batches(Stream(Some(range(4)), settings(), batch_size=8), 100)  # exactly one in a hundred is not more


def test_the_count_goes_on_where_it_was() -> None:
    before = BadExamples(300)
    for name in "abc":
        before.add(BadExample(name, "broken"))
    after = BadExamples(300)
    after.load_state_dict(before.state_dict())
    after.add(BadExample("a", "broken"))
    with pytest.raises(DataError, match="4 of 300"):
        after.add(BadExample("d", "broken"))


def test_a_preview_shows_another_one_too_and_the_same_each_time() -> None:
    stream = Stream(Some({3}), settings(), batch_size=8)
    first, again = stream.examples([2, 3])["image"], stream.examples([2, 3])["image"]
    assert torch.equal(first, again)
    assert not torch.equal(first[0], first[1])
    assert list(stream.bad.found) == ["file3"]


def test_where_all_are_bad_the_first_is_named() -> None:
    with pytest.raises(DataError, match="broken") as caught:
        Examples(Some(range(400)), settings()).at(0)
    assert str(caught.value.where).startswith("file")


def test_by_default_a_bad_example_stops_it_and_the_way_on_is_said() -> None:
    stream = Stream(Some({3}), settings(skip_bad=False), batch_size=8)
    with pytest.raises(DataError, match="broken") as caught:
        batches(stream, 50)
    assert caught.value.where == "file3"
    assert caught.value.fix == "mend it; or leave a few out: data.on_bad_image=skip"
    with pytest.raises(DataError) as caught:
        stream.examples([3])
    assert caught.value.fix == "mend it", "nothing else is measured in its place"


@pytest.mark.parametrize("error", [KeyError, ComponentError])
def test_bugs_and_wrong_settings_are_never_left_out(error: type[Exception]) -> None:
    with pytest.raises(ComponentError if error is ComponentError else DataError, match="something else"):
        batches(Stream(Some({3}, error=error), settings(), batch_size=8), 50)


def test_what_does_not_fit_the_settings_is_never_left_out() -> None:
    with pytest.raises(DataError, match=r"data\.transforms cannot be applied"):
        batches(Stream(Some(()), settings(transforms=[{"RandomCrop": 4}]), batch_size=8), 1)

    class Wrong(Some):
        def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Any]:
            return {"image": np.zeros((2, 2, 3), np.uint8)}

    with pytest.raises(DataError, match="it has 3 channels"):
        batches(Stream(Wrong(()), settings(), batch_size=8), 1)


class Points(Some):
    """Numbers and their classes, given several at once."""

    fields: Mapping[str, Any] = {"image": Vector(1), "label": Label(3)}

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Any]:
        super().example(index, generator)  # refuses the bad ones
        return {"image": np.full(1, index, np.float32), "label": np.asarray(index % 3, np.int64)}

    def batch(self, indices: Collection[int]) -> Mapping[str, Any]:
        rows = [self.example(index, np.random.default_rng(0)) for index in indices]
        return {name: np.stack([row[name] for row in rows]) for name in self.fields}


@pytest.mark.parametrize("workers", [0, 2])
def test_of_examples_that_are_given_several_at_once_the_bad_ones_are_left_out_likewise(workers: int) -> None:
    class Single(Points):
        batch = None  # type: ignore[assignment]

    streams = [Stream(kind(BAD), settings(workers=workers), batch_size=8) for kind in (Points, Single)]
    assert same(*(batches(stream, 60) for stream in streams))
    at_once, single = (stream.bad.found for stream in streams)
    assert list(at_once.items()) == list(single.items())
    assert set(at_once) == {"file3", "file77", "file200"}
    assert torch.equal(*(stream.examples([2, 3, 4])["image"] for stream in streams))


def test_of_examples_that_are_given_several_at_once_the_bad_one_is_named() -> None:
    stream = Stream(Points({77}), settings(skip_bad=False), batch_size=8)
    with pytest.raises(DataError, match="broken") as caught:
        batches(stream, 50)
    assert caught.value.where == "file77"
    assert caught.value.fix == "mend it; or leave a few out: data.on_bad_image=skip"


@pytest.mark.parametrize(
    ("changed", "row", "message"),
    [
        ({"label": np.array([0, 1, 3, 0])}, 2, "but it is 3"),
        ({"label": np.array([0, 1, 2, -1])}, 3, "but it is -1"),
        ({"label": np.zeros((4, 1), np.int64)}, 0, "field 'label' should be .*, but it is 1 of int64"),
        ({"image": np.zeros((0, 1), np.float32)}, 0, "should hold 4 examples, but it holds 0"),
        ({"image": np.float32(3)}, 0, "should hold 4 examples, but it holds a single value"),
        ({"image": np.zeros((4, 2), np.float32)}, 0, "field 'image' should be .*, but it is 2 of float32"),
        ({"image": np.zeros((4, 1))}, 0, "field 'image' should be .*, but it is 1 of float64"),
        ({"image": None}, 0, "field 'image' should be .*, but it is missing"),
    ],
)
def test_what_is_given_several_at_once_is_checked_in_every_row(changed: dict[str, Any], row: int, message: str) -> None:
    class Wrong(Points):
        def batch(self, indices: Collection[int]) -> Mapping[str, Any]:
            return {name: value for name, value in {**super().batch(indices), **changed}.items() if value is not None}

    stream = Stream(Wrong(()), settings(), batch_size=4)
    with pytest.raises(DataError, match=message) as caught:
        batches(stream, 1)
    index = int(batches(Stream(Points(()), settings(), batch_size=4), 1)[0][row])
    assert caught.value.where == f"example {index} (number{index})"


def test_what_is_finished_is_finished_though_the_dataset_gives_several_at_once() -> None:
    class Finishing(Points):
        fields: Mapping[str, Any] = {"image": Vector(1), "label": Label(3), "twice": Vector(1)}
        finished = ("twice",)

        def finish(self, example: Mapping[str, Any], generator: np.random.Generator) -> Mapping[str, Any]:
            return {"twice": example["image"] * 2}

    batch = next(Stream(Finishing(()), settings(), batch_size=4).batches())
    assert torch.equal(batch["twice"], 2 * batch["image"])
