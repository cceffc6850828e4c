"""Ways between latents: known points, and what stays the same on the way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from translate.sampling.paths import LAWS, linear, slerp

SHARES = np.linspace(0, 1, 11)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("law", LAWS)
def test_both_ends_are_met_to_the_bit(law):
    start, end = drawn(100), drawn(100, seed=1)
    assert np.array_equal(LAWS[law](start, end, 0.0), start)
    assert np.array_equal(LAWS[law](start, end, 1.0), end)


def test_known_points_on_a_quarter_of_a_circle():
    x, y = np.array([2.0, 0.0]), np.array([0.0, 2.0])
    third = slerp(x, y, 1 / 3)
    assert third == pytest.approx([2 * np.cos(np.pi / 6), 2 * np.sin(np.pi / 6)], abs=1e-12)
    assert slerp(x, y, 0.5) == pytest.approx([2**0.5, 2**0.5], abs=1e-12)
    assert linear(x, y, 0.5) == pytest.approx([1.0, 1.0])


def test_equally_long_vectors_follow_the_formula_of_shoemake():
    a, b = (v / np.linalg.norm(v) for v in (drawn(50).astype(float), drawn(50, seed=1).astype(float)))
    angle = np.arccos(a @ b)
    for share in SHARES:
        expected = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
        assert slerp(a, b, share) == pytest.approx(expected, abs=1e-12)


def test_the_length_is_constant_on_a_sphere_and_the_angle_grows_evenly():
    a, b = drawn(64).astype(float), drawn(64, seed=1).astype(float)
    b *= np.linalg.norm(a) / np.linalg.norm(b)
    points = [slerp(a, b, share) for share in SHARES]
    assert [np.linalg.norm(point) for point in points] == pytest.approx([np.linalg.norm(a)] * len(SHARES))
    steps = [np.arccos(p @ q / (a @ a)) for p, q in itertools.pairwise(points)]
    assert steps == pytest.approx([np.arccos(a @ b / (a @ a)) / 10] * 10, rel=1e-6)
    shortest = min(np.linalg.norm(linear(a, b, share)) for share in SHARES)
    assert shortest < 0.9 * np.linalg.norm(a), "the straight way leaves the sphere"


def test_the_length_goes_evenly_from_one_to_the_other():
    a, b = np.array([3.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    assert [np.linalg.norm(slerp(a, b, share)) for share in (0.25, 0.5, 0.75)] == pytest.approx([2.5, 2.0, 1.5])


@pytest.mark.parametrize("size", [2, 3, 100])
def test_opposite_vectors_go_around_and_not_through_zero(size):
    a = drawn(size).astype(float)
    points = [slerp(a, -a, share) for share in SHARES]
    assert [np.linalg.norm(point) for point in points] == pytest.approx([np.linalg.norm(a)] * len(SHARES))
    assert points[5] @ a == pytest.approx(0.0, abs=1e-9)
    assert np.array_equal(points[-1], -a)
    assert np.array_equal(points[5], slerp(a, -a, 0.5)), "the same way each time"


def test_cases_in_which_there_is_no_circle_are_straight():
    a = drawn(5).astype(float)
    assert slerp(a, 3 * a, 0.5) == pytest.approx(2 * a)
    assert slerp(a, a, 0.3) == pytest.approx(a)
    assert slerp(np.zeros(5), a, 0.5) == pytest.approx(a / 2)
    assert slerp(np.array([1.0]), np.array([-1.0]), 0.25) == pytest.approx([0.5])
    assert np.isfinite(slerp(a, a * (1 + 1e-9), 0.5)).all()


def test_nearly_opposite_and_nearly_equal_vectors_stay_on_the_sphere():
    a = np.array([1.0, 0.0, 0.0])
    for tiny in (1e-3, 1e-5, 1e-8, 1e-12):
        for sign in (1.0, -1.0):
            b = np.array([sign, tiny, 0.0])
            assert np.linalg.norm(slerp(a, b, 0.5)) == pytest.approx(1.0, abs=1e-6)


def test_a_map_is_one_vector():
    a, b = drawn(2, 3, 4), drawn(2, 3, 4, seed=1)
    point = slerp(a, b, 0.4)
    assert point.shape == (2, 3, 4)
    assert point.ravel() == pytest.approx(slerp(a.ravel(), b.ravel(), 0.4))
