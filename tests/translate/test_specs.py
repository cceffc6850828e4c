"""Specs: what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from translate.specs import Image
from translate.training.opening import read_spec


def test_the_depth_is_8_bits_unless_it_is_said() -> None:
    assert Image(3, 4, 5).bits == 8
    assert str(Image(3, 4, 5)) == "Image(3x4x5 in [-1, 1])"
    assert str(Image(3, 4, 5, 0.0, 1.0, 16)) == "Image(3x4x5 in [0, 1], 16 bits)"
    with pytest.raises(ValueError, match=r"bits must be 8 or 16 \(got 12\)"):
        Image(3, 4, 5, bits=12)


def test_plain_data_goes_back_and_that_of_before_depths_too() -> None:
    spec = Image(3, 4, 5, bits=16)
    assert read_spec(spec.as_dict(), Path("x")) == spec
    older = {key: value for key, value in Image(3, 4, 5).as_dict().items() if key != "bits"}
    assert read_spec(older, Path("x")) == Image(3, 4, 5)
