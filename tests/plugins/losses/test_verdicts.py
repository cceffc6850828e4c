"""What adversarial losses measure of a discriminator's answers."""

from __future__ import annotations

import math

import pytest
import torch

from translate_plugins.losses.bce import BinaryCrossEntropy
from translate_plugins.losses.hinge import Hinge
from translate_plugins.losses.lsgan import LeastSquares
from translate_plugins.losses.relativistic import Relativistic
from translate_plugins.losses.verdicts import verdicts
from translate_plugins.losses.wasserstein import Wasserstein

REAL, FAKE = torch.tensor([3.0, 1.0, -1.0, 4.0]), torch.tensor([-3.0, -4.0, 2.0, -1.0])
WITH_UNIT = [
    BinaryCrossEntropy(),
    BinaryCrossEntropy(smoothing=0.1),
    LeastSquares(),
    LeastSquares(a=-1, b=1, c=0),
    LeastSquares(a=1, b=-1, c=-1),
    Hinge(),
    Relativistic(),
    Relativistic(mode="paired", form="hinge"),
]


def numbers(found):
    assert all(value.ndim == 0 and not value.requires_grad for value in found.values())
    return {name: value.item() for name, value in found.items()}


def test_known_values():
    found = numbers(BinaryCrossEntropy().measured(REAL, FAKE))
    assert found["accuracy_real"] == 0.75
    assert found["accuracy_fake"] == 0.75
    assert found["score_real"] == pytest.approx(1.75)
    assert found["score_fake"] == pytest.approx(-1.5)
    assert found["certain"] == pytest.approx(4 / 8)  # beyond log(0.95 / 0.05) = 2.94


def test_a_critic_is_compared_with_the_mean_of_the_other_kind():
    shifted = numbers(Wasserstein().measured(REAL + 100, FAKE + 100))
    assert shifted["accuracy_real"] == 1.0  # all above the fakes' mean, -1.5
    assert shifted["accuracy_fake"] == 0.75
    assert {"certain", "to_chance"}.isdisjoint(shifted)


def test_least_squares_has_its_boundary_between_the_targets():
    real, fake = torch.tensor([0.6, 0.4]), torch.tensor([0.2, 0.1])
    assert numbers(LeastSquares().measured(real, fake))["accuracy_real"] == 0.5
    assert numbers(LeastSquares(a=-1, b=1, c=0).measured(real, fake))["accuracy_fake"] == 0.0
    reversed_ = numbers(LeastSquares(a=1, b=-1, c=-1).measured(-real, -fake))
    assert (reversed_["accuracy_real"], reversed_["accuracy_fake"]) == (1.0, 0.0)


def test_smoothing_moves_the_boundary():
    between = torch.tensor([math.log(0.45 / 0.55) + 0.01])
    assert numbers(BinaryCrossEntropy(smoothing=0.1).measured(between, between))["accuracy_real"] == 1.0
    assert numbers(BinaryCrossEntropy().measured(between, between))["accuracy_real"] == 0.0


@pytest.mark.parametrize("loss", WITH_UNIT, ids=lambda loss: type(loss).__name__)
def test_always_saying_the_same_is_chance(loss):
    """The best constant costs 1, any other more; it is right half the time."""
    grid = torch.linspace(-2, 2, 401)
    costs = [numbers(loss.measured(torch.full((3,), c), torch.full((3,), c)))["to_chance"] for c in grid.tolist()]
    assert min(costs) == pytest.approx(1.0, abs=1e-4)
    found = numbers(loss.measured(torch.zeros(3), torch.zeros(3)))
    assert found["accuracy_real"] + found["accuracy_fake"] == 1.0
    assert found["certain"] <= 0.5


@pytest.mark.parametrize("loss", WITH_UNIT, ids=lambda loss: type(loss).__name__)
def test_scales_and_patches_count_alike(loss):
    one = numbers(loss.measured(REAL, FAKE))
    two = numbers(
        loss.measured([REAL.reshape(4, 1), REAL.reshape(1, 1, 2, 2)], [FAKE.reshape(4, 1), FAKE.reshape(1, 1, 2, 2)])
    )
    assert two == pytest.approx(one)


def test_noise_on_labels_is_not_drawn():
    before = torch.get_rng_state()
    for loss in (BinaryCrossEntropy(label_noise=0.2), LeastSquares(label_noise=0.2)):
        loss.measured(REAL, FAKE)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_output_on_the_boundary_is_half_right():
    found = numbers(verdicts(torch.zeros(2), torch.zeros(2), boundary=0.0))
    assert (found["accuracy_real"], found["accuracy_fake"]) == (0.5, 0.5)
