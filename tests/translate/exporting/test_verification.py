from __future__ import annotations

import numpy as np
import pytest

from translate.exporting.verification import Case, _judged

CASE = Case(batch=1, size=(100, 100))


@pytest.mark.parametrize(
    ("unequal", "by", "fits"), [(0, 1, True), (10, 1, True), (11, 1, False), (1, 2, False)], ids=str
)
def test_pixels_may_differ_by_one_level_in_one_of_a_thousand(unequal, by, fits):
    expected = np.full((1, 100, 100, 1), 128, np.uint8)
    found = expected.copy()
    found.reshape(-1)[:unequal] += by
    result = _judged(CASE, found, expected, 1e-4)
    assert result.fits is fits
    assert result.equal == pytest.approx(1 - unequal / 10_000)


def test_a_tiny_picture_may_have_five_unequal_values():
    expected = np.full((1, 4, 4, 1), 128, np.uint8)
    found = expected.copy()
    found.reshape(-1)[:5] -= 1
    assert _judged(CASE, found, expected, 1e-4).fits
    found.reshape(-1)[:6] = 127
    assert not _judged(CASE, found, expected, 1e-4).fits


@pytest.mark.parametrize(
    ("unequal", "by", "fits"),
    [(0, 1, True), (2570, 1, True), (2571, 1, False), (40, 64, True), (1, 65, False)],
    ids=str,
)
def test_16_bits_may_differ_by_a_quarter_of_a_level_in_the_mean_and_by_64_at_most(unequal, by, fits):
    expected = np.full((1, 100, 100, 1), 65535, np.uint16)
    found = expected.copy()
    found.reshape(-1)[:unequal] -= by
    result = _judged(CASE, found, expected, 1e-4)
    assert result.fits is fits
    assert result.difference == (by if unequal else 0)


def test_a_mean_that_is_just_allowed_for_16_bits_is_just_allowed_for_8():
    """The same values before rounding, with a constant difference: 0.001 levels of 255."""
    values = np.random.default_rng(0).uniform(1, 254, (1, 300, 300, 1))
    for share, fits in ((0.8, True), (1.3, False)):
        shifted = values + 0.001 * share
        shallow = [np.rint(array).astype(np.uint8) for array in (values, shifted)]
        deep = [np.rint(array * 257).astype(np.uint16) for array in (values, shifted)]
        assert _judged(CASE, *shallow, 1e-4).fits is fits
        assert _judged(CASE, *deep, 1e-4).fits is fits


@pytest.mark.parametrize(("scale", "gap", "fits"), [(1, 0.9e-4, True), (1, 1.1e-4, False), (100, 0.9e-2, True)])
def test_floats_are_judged_by_their_largest_value(scale, gap, fits):
    expected = np.full((2, 3), scale, np.float32)
    found = expected.astype(np.float64)
    found[0, 0] += gap
    assert _judged(CASE, found, expected, 1e-4).fits is fits
