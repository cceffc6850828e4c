"""Gradient penalty and R1."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate.errors import ComponentError
from translate_plugins.losses.gradient_penalty import GradientPenalty
from translate_plugins.losses.r1 import R1
from translate_plugins.operations.leaf import leaf
from translate_plugins.operations.mix import Mix
from translate_plugins.operations.pack import pack


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def linear_critic(norm):
    critic = nn.Linear(5, 1)
    with torch.no_grad():
        critic.weight.mul_(norm / critic.weight.norm())
    return critic


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
def test_of_a_linear_critic_whatever_the_point(norm, seed):
    torch.manual_seed(seed)
    critic = linear_critic(norm)
    between = Mix()(torch.randn(8, 5), torch.randn(8, 5))
    assert GradientPenalty().discriminator(critic(between), between).item() == pytest.approx((norm - 1) ** 2, abs=1e-6)
    assert R1().discriminator(critic(between), between).item() == pytest.approx(norm**2 / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("choices", "norm", "value"),
    [
        ({"target": 2.0}, 3.0, 1.0),
        ({"target": 0.0}, 3.0, 9.0),
        ({"one_sided": True}, 0.5, 0.0),
        ({"one_sided": True}, 3.0, 4.0),
    ],
)
def test_choices(choices, norm, value):
    point = leaf(torch.randn(4, 5))
    result = GradientPenalty(**choices).discriminator(linear_critic(norm)(point), point)
    assert result.item() == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_its_gradient_reaches_the_weights(penalty):
    critic = linear_critic(3.0)
    point = leaf(torch.randn(4, 5))
    penalty.discriminator(critic(point), point).backward()
    direction = critic.weight / critic.weight.norm()
    # d (|w| - 1)^2 = 2 (|w| - 1) w / |w|, and d |w|^2 / 2 = w
    expected = 2 * (3.0 - 1) * direction if isinstance(penalty, GradientPenalty) else 3.0 * direction
    torch.testing.assert_close(critic.weight.grad, expected)


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_the_norm_is_taken_for_each_example(penalty):
    point = leaf(torch.tensor([[3.0, 4.0], [0.0, 0.5]]))
    values = 0.5 * point.square().sum(1, keepdim=True)  # the gradient is the point itself: norms 5 and 0.5
    expected = (4**2 + 0.5**2) / 2 if isinstance(penalty, GradientPenalty) else 0.5 * (25 + 0.25) / 2
    assert penalty.discriminator(values, point).item() == pytest.approx(expected)


def test_where_the_gradient_is_zero_nothing_becomes_infinite():
    critic = nn.Linear(5, 1)
    nn.init.zeros_(critic.weight)
    point = leaf(torch.randn(4, 5))
    value = GradientPenalty().discriminator(critic(point), point)
    value.backward()
    assert value.item() == 1
    assert torch.isfinite(critic.weight.grad).all()


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_a_patch_critics_penalty_does_not_grow_with_its_patches(penalty):
    point = leaf(torch.randn(2, 5))
    value = linear_critic(3.0)(point)
    patches = value[:, :, None, None].expand(-1, 1, 6, 6)
    torch.testing.assert_close(penalty.discriminator(patches, point), penalty.discriminator(value, point))


def test_nested_outputs_and_points_count_together():
    critic = linear_critic(1.0)
    first, second = leaf(torch.randn(2, 5)), leaf(torch.randn(2, 5))
    outputs = [critic(first), 2 * critic(second)]  # per example: gradients of norm 1 and 2, together sqrt(5)
    assert R1().discriminator(outputs, [first, second]).item() == pytest.approx(2.5)


def test_half_precision_is_measured_in_single():
    critic = linear_critic(3.0).half()
    point = leaf(torch.randn(4, 5).half())
    result = GradientPenalty().discriminator(critic(point), point)
    assert result.dtype == torch.float32
    assert result.item() == pytest.approx(4.0, rel=1e-2)


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_mistakes_are_named(penalty):
    constant = torch.randn(2, 5)
    critic = linear_critic(1.0)
    with pytest.raises(ComponentError, match=r"carries no gradient.*mix\(real, fake\)"):
        penalty.discriminator(critic(constant), constant)
    with pytest.raises(ComponentError, match="was not computed from `at`"):
        penalty.discriminator(critic(constant), leaf(constant))
    with pytest.raises(ComponentError, match="was not computed from `at`"):
        penalty.discriminator(constant, leaf(constant))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("penalty", [GradientPenalty(), R1()])
def test_what_several_examples_give_together_is_refused(penalty, device):
    """The critic of a pack has one value for two examples: its slope at each is not its slope at both."""
    critic = nn.Linear(10, 1, device=device)
    point = leaf(torch.randn(4, 5, device=device))
    with pytest.raises(ComponentError, match="`of` has 2 examples and `at` 4") as caught:
        penalty.discriminator(critic(pack(point)), point)
    assert "`between: mix(pack(real), pack(fake))`" in caught.value.fix


def test_a_pack_of_a_linear_critic_has_the_slope_of_the_whole():
    critic = nn.Linear(10, 1)
    between = Mix()(pack(torch.randn(4, 5)), pack(torch.randn(4, 5)))
    found = GradientPenalty().discriminator(critic(between), between).item()
    assert found == pytest.approx((critic.weight.norm().item() - 1) ** 2, rel=1e-5)
