"""Groups of fields: each group has one geometry, the groups have nothing to do with one another."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from translate.data.stream import Stream, StreamSettings
from translate.data.transforms import Transforms, field_groups
from translate.errors import DataError
from translate.specs import Image, Label, Spec

FIELDS = ("source", "target", "a", "b")
GROUPS = (("source", "target"), ("a",), ("b",))
CHAIN = ["HorizontalFlip", "VerticalFlip", {"RandomCrop": 8}]


class Four:
    """Four times the same picture."""

    def __init__(self, aligned: Any) -> None:
        self.aligned = aligned
        self.fields: Mapping[str, Spec] = {**dict.fromkeys(FIELDS, Image(1, 8, 8)), "label": Label(5)}

    def __len__(self) -> int:
        return 5

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, np.ndarray]:
        picture = np.random.default_rng(index).integers(0, 256, (12, 12, 1), dtype=np.uint8)
        return {**dict.fromkeys(FIELDS, picture), "label": np.asarray(index, np.int64)}

    def name(self, index: int) -> str:
        return str(index)


def batches(aligned: Any, count: int = 8) -> list[dict[str, torch.Tensor]]:
    stream = Stream(Four(aligned), StreamSettings(image_size=(8, 8), transforms=CHAIN, seed=1), batch_size=5)
    return list(itertools.islice(stream.batches(), count))


def test_fields_of_one_group_share_their_geometry_and_groups_do_not() -> None:
    agreeing = dict.fromkeys(itertools.combinations(FIELDS, 2), 0)
    for batch in batches(GROUPS):
        for one, two in agreeing:
            agreeing[one, two] += sum(map(torch.equal, batch[one], batch[two]))
    assert agreeing.pop(("source", "target")) == 40
    assert all(count < 10 for count in agreeing.values()), agreeing  # 100 geometries


@pytest.mark.parametrize(("flag", "groups"), [(True, (FIELDS,)), (False, tuple((name,) for name in FIELDS))])
def test_the_two_flags_are_groups_bit_by_bit(flag: bool, groups: Any) -> None:
    for one, two in zip(batches(flag, 3), batches(groups, 3), strict=True):
        assert all(torch.equal(one[name], two[name]) for name in FIELDS)


def test_the_order_of_the_fields_in_a_group_does_not_matter_to_the_result_fields() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (12, 12, 1), dtype=np.uint8)
    apply = Transforms(CHAIN, {"a": "bicubic", "b": "nearest"}, aligned=[["b", "a"]])
    out = apply({"a": picture, "b": picture}, np.random.SeedSequence(0))
    assert np.array_equal(out["a"], out["b"])


@pytest.mark.parametrize("groups", [[["a"]], [["a", "b"], ["b"]], [["a", "b", "c"]], []])
def test_groups_must_name_each_field_once(groups: Any) -> None:
    with pytest.raises(ValueError, match="`aligned` must name each of a, b once"):
        field_groups(["a", "b"], groups)


def test_a_dataset_with_wrong_groups_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"Four.*must name each of source, target, a, b once \(got source, target\)"):
        batches((("source", "target"),))
