"""The bootstrap interval."""

from __future__ import annotations

import numpy as np
import pytest

from translate.evaluation import measures
from translate.evaluation.measures import bootstrap_interval


def test_the_interval_is_deterministic_and_holds_the_mean():
    values = np.random.default_rng(0).exponential(size=40)
    low, high = bootstrap_interval(values, seed=3)
    assert (low, high) == bootstrap_interval(values, seed=3)
    assert (low, high) != bootstrap_interval(values, seed=4)
    assert low < values.mean() < high


def test_the_interval_is_that_of_the_normal_approximation():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_chunks_do_not_change_the_resamples(monkeypatch):
    values = np.random.default_rng(2).normal(size=30)
    expected = bootstrap_interval(values)
    monkeypatch.setattr(measures, "_AT_ONCE", 100)
    assert bootstrap_interval(values) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[1.0], [1.0, float("inf")], [float("nan"), 1.0]])
def test_no_interval_where_there_is_none(values):
    assert bootstrap_interval(np.array(values)) is None
