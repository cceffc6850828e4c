"""The Frechet distance of two sets of features."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from translate_plugins.metrics.frechet import distance_of_moments, frechet_distance, frechet_interval, moments


def features(count, size, seed, scale=1.0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    return torch.randn(count, size, generator=generator, dtype=torch.float64) @ mixing * scale + shift


@pytest.mark.parametrize("counts", [(50, 70), (5, 9)])  # with 5 of 8 features the covariance is singular
def test_against_the_formula_with_scipys_root(counts):
    of, to = features(counts[0], 8, 0, 1.3, 0.5), features(counts[1], 8, 1)
    first, second = (np.cov(each.numpy().T) for each in (of, to))
    root = np.real(sqrtm(first @ second + 1e-12 * np.eye(8)))
    apart = np.square((of.mean(0) - to.mean(0)).numpy()).sum()
    expected = apart + np.trace(first) + np.trace(second) - 2 * np.trace(root)
    assert frechet_distance(of, to) == pytest.approx(expected, rel=1e-4)


def test_of_one_feature_by_hand():
    """Squared difference of the means and of the standard deviations."""
    of, to = torch.tensor([[0.0], [2.0]]).double(), torch.tensor([[7.0], [13.0]]).double()
    assert frechet_distance(of, to) == pytest.approx(81 + (2**0.5 - 18**0.5) ** 2)


def test_of_commuting_covariances_by_hand():
    mean = torch.zeros(3).double()
    first, second = (torch.diag(torch.tensor(each).double()) for each in ([1.0, 4.0, 0.0], [9.0, 4.0, 1.0]))
    assert distance_of_moments((mean, first), (mean + 2, second)) == pytest.approx(12 + 4 + 0 + 1)


def test_of_equal_sets_and_symmetric():
    of, to = features(40, 6, 2), features(30, 6, 3, 2.0)
    assert frechet_distance(of, of) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(of, to) == pytest.approx(frechet_distance(to, of))
    flat = torch.ones(5, 6).double()
    assert frechet_distance(flat, flat) == 0


def test_weights_are_repetitions():
    of = features(6, 4, 4)
    weights = np.array([2.0, 0, 1, 3, 0, 0])
    repeated = of.repeat_interleave(torch.from_numpy(weights).long(), 0)
    for found, expected in zip(moments(of, weights), moments(repeated), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(moments(of)[1], torch.cov(of.T))


def test_small_sets_are_farther_apart_and_the_interval_holds_the_value():
    small = frechet_distance(features(30, 16, 5), features(30, 16, 6))
    large = frechet_distance(features(3000, 16, 5), features(3000, 16, 6))
    assert small > 10 * large
    of, to = features(200, 16, 7), features(200, 16, 8, 1.2)
    value = frechet_distance(of, to)
    low, high = frechet_interval(value, of, to)
    assert 0 <= low < value < high
    assert (low, high) == frechet_interval(value, of, to)
    assert frechet_interval(0.0, of[:1], to) is None
