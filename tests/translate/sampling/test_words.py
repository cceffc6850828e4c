"""The words of a request."""

from __future__ import annotations

import pytest

from translate.errors import UsageError
from translate.sampling.words import Target, evenly, read_numbers, read_sweep, read_target


def test_targets():
    assert read_target("z", "--set") == Target(name="z")
    assert read_target("code[0]", "--set") == Target(name="code", element=(0,))
    assert read_target(" z2[ 1, 20 ,3] ", "--set") == Target(name="z2", element=(1, 20, 3))
    assert str(Target(name="z", element=(1, 2))) == "z[1,2]"
    for wrong in ("", "z[", "z[]", "z[-1]", "2z", "z[0]x", "a.b", "z[1.5]"):
        with pytest.raises(UsageError, match="is no name of an input"):
            read_target(wrong, "--set")


def test_ranges_have_both_ends_and_as_many_values_as_they_say():
    assert read_numbers("-2:2:5", "") == (-2.0, -1.0, 0.0, 1.0, 2.0)
    assert read_numbers("1:0:2", "") == (1.0, 0.0)
    assert len(read_numbers("-2:2:10", "")) == 10
    assert evenly(0.1, 0.7, 4)[-1] == 0.7
    assert read_numbers("1,-2.5,1e-3", "") == (1.0, -2.5, 0.001)
    assert read_sweep("code[1]=0:1:3", "--sweep") == (Target(name="code", element=(1,)), (0.0, 0.5, 1.0))
    assert read_sweep("c", "--sweep") == (Target(name="c"), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a number"),
        ("1,,2", "'' is not a number"),
        ("x", "'x' is not a number"),
        ("nan", "'nan' is not a number"),
        ("1:inf:3", "'inf' is not a number"),
        ("1:2", "FROM:TO:STEPS"),
        ("1:2:3:4", "FROM:TO:STEPS"),
        ("0:1:1", "2 to 1000"),
        ("0:1:1001", "2 to 1000"),
        ("0:1:2.5", "2 to 1000"),
    ],
)
def test_wrong_numbers(text, message):
    with pytest.raises(UsageError, match=message):
        read_numbers(text, "--sweep z")
