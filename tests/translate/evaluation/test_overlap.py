"""Pictures in two splits."""

from __future__ import annotations

import torch

from translate.evaluation.overlap import Overlap


def test_equal_pictures_of_the_same_field_are_found():
    generator = torch.Generator().manual_seed(0)
    held_out = {name: torch.rand(4, 3, 5, 5, generator=generator) for name in ("a", "b")}
    overlap = Overlap(["a", "b"])
    overlap.hold_out(0, held_out)
    train = {name: torch.rand(3, 3, 5, 5, generator=generator) for name in ("a", "b")}
    overlap.train(train)
    assert overlap.examples == []
    train["a"][1] = held_out["a"][2]
    train["b"][0] = held_out["b"][3]
    train["b"][2] = held_out["a"][0]  # the other field: no leak of an input or of a target
    overlap.train(train)
    overlap.train(train)
    assert overlap.examples == [2, 3]


def test_one_changed_value_makes_another_picture():
    held_out = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    overlap = Overlap(["a"])
    overlap.hold_out(5, {"a": held_out})
    changed = held_out.clone()
    changed[0, 0, 3, 3] += 1 / 255
    overlap.train({"a": changed})
    assert overlap.examples == []
    overlap.train({"a": held_out})
    assert overlap.examples == [5]
