"""Modes, quality and reverse KL, against counts by hand."""

from __future__ import annotations

import math

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.metrics.modes import Modes

CENTRES = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])


def fitted(centres=CENTRES, sigma=0.1):
    metric = Modes()
    metric.fit(centres.repeat(3, 1), torch.full((3 * len(centres), 1), sigma))
    metric.fit(centres[:2], torch.full((2, 1), sigma))
    metric.fitted()
    return metric


def measured(points, **more):
    metric = fitted(**more)
    for part in points.split(3):
        metric.update(part)
    result = metric.compute()
    return {name: float(value.mean()) if isinstance(value, torch.Tensor) else value for name, value in result.items()}


def test_the_data_itself_is_perfect():
    assert measured(CENTRES.repeat(5, 1)) == {"captured": 4, "of": 4, "quality": 1.0, "reverse_kl": pytest.approx(0)}


def test_one_mode_of_four():
    found = measured(CENTRES[:1].repeat(7, 1))
    assert found == {"captured": 1, "of": 4, "quality": 1.0, "reverse_kl": pytest.approx(math.log(4))}


def test_by_hand():
    # Two good at the first, one good and one bad at the second, one bad at the third (bad: beyond 3 sigma = 0.3).
    points = torch.tensor([[0.0, 0.1], [0.2, 0.2], [2.0, 0.29], [2.0, 0.31], [0.0, 1.5]])
    found = measured(points)
    assert found["captured"] == 2  # the third has none of high quality
    assert found["quality"] == pytest.approx(3 / 5)
    shares = [2 / 5, 2 / 5, 1 / 5]  # of all samples, also the bad ones
    assert found["reverse_kl"] == pytest.approx(sum(p * math.log(4 * p) for p in shares))


def test_the_distance_is_euclidean():
    """A square of 3 sigma would take this point, a circle does not."""
    assert measured(torch.tensor([[0.25, 0.25]]))["quality"] == 0
    assert measured(torch.tensor([[0.21, 0.21]]))["quality"] == 1


def test_true_samples_have_the_share_of_a_rayleigh_law():
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(4, (20_000,), generator=generator)
    points = CENTRES[which] + 0.1 * torch.randn(20_000, 2, generator=generator)
    assert measured(points)["quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.002)


def test_few_samples_are_said():
    metric = fitted()
    metric.update(CENTRES)
    assert metric.warnings() == ["4 samples: papers take 2500, with fewer some modes are missed by chance"]
    metric.update(CENTRES.repeat(625, 1))
    assert metric.warnings() == []


def test_mistakes():
    with pytest.raises(ComponentError, match="points of 3 numbers with means of 2"):
        fitted().update(torch.zeros(2, 3))
    with pytest.raises(ComponentError, match=r"modes takes vectors \(got \(2, 3, 4, 4\)\)"):
        fitted().update(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ComponentError, match="one sigma, the same for all"):
        Modes().fit(CENTRES, torch.tensor([[0.1], [0.1], [0.2], [0.1]]))
    with pytest.raises(ComponentError, match="has seen no examples"):
        fitted().compute()
    with pytest.raises(ComponentError, match="found 1500 means, so this is a curve"):
        fitted(torch.rand(1500, 2))
