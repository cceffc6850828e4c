"""The likelihood of black and white pictures."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli

from translate.errors import ComponentError
from translate_plugins.losses.bernoulli import bernoulli


def pictures(*shape, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=dtype) * 3, torch.rand(*shape).round().to(dtype)


def test_as_torch_has_it_summed_over_pixels_and_averaged_over_pictures():
    logits, x = pictures(4, 2, 5, 3)
    expected = -Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1).mean()
    torch.testing.assert_close(bernoulli(logits, x), expected)


def test_by_hand():
    logits = torch.tensor([[[[0.0, 0.0]]], [[[math.log(3), 0.0]]]])
    x = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])
    # 2 log 2, and log 4/3 + log 2
    assert bernoulli(logits, x).item() == pytest.approx((2 * math.log(2) + math.log(4 / 3) + math.log(2)) / 2)


def test_ignorance_costs_log_2_for_every_pixel():
    assert bernoulli(torch.zeros(3, 1, 28, 28), torch.rand(3, 1, 28, 28).round()).item() == pytest.approx(
        784 * math.log(2), rel=1e-5
    )


def test_sure_and_wrong_stays_finite_and_has_a_gradient():
    logits = torch.full((1, 1, 2, 2), 100.0, requires_grad=True)
    loss = bernoulli(logits, torch.zeros(1, 1, 2, 2))
    loss.backward()
    assert loss.item() == pytest.approx(400)
    assert torch.equal(logits.grad, torch.ones_like(logits))


def test_the_gradient_is_right():
    logits, x = pictures(2, 1, 3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: bernoulli(value, x), (logits.requires_grad_(),))


def test_nested_values_are_summed():
    logits, x = pictures(2, 1, 3, 2)
    torch.testing.assert_close(bernoulli([logits, -logits], [x, x]), bernoulli(logits, x) + bernoulli(-logits, x))


def test_other_shapes_are_refused():
    with pytest.raises(ComponentError, match="differ in shape"):
        bernoulli(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 5))
