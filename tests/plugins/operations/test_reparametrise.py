"""Samples of a code from given noise, and probabilities of logits."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.reparametrise import reparametrise
from translate_plugins.operations.sample_code import SampleCode
from translate_plugins.operations.sigmoid import sigmoid


@pytest.mark.parametrize("shape", [(4, 6), (2, 4, 3, 5)])
def test_it_is_what_sample_code_draws_with_the_same_noise(shape):
    code = torch.randn(shape)
    torch.manual_seed(3)
    expected = SampleCode().train()(code)
    torch.manual_seed(3)
    noise = torch.randn(shape[0], shape[1] // 2, *shape[2:])
    torch.testing.assert_close(reparametrise(code, noise), expected)


def test_without_noise_it_is_the_mean_and_the_samples_have_the_moments_of_the_code():
    code = torch.tensor([[1.0, -2.0, 0.0, 2.0]])
    assert reparametrise(code, torch.zeros(1, 2)).tolist() == [[1.0, -2.0]]
    torch.manual_seed(0)
    drawn = reparametrise(code.expand(100_000, -1), torch.randn(100_000, 2))
    torch.testing.assert_close(drawn.mean(0), torch.tensor([1.0, -2.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0), torch.tensor([0.0, 2.0]).exp(), atol=0.1, rtol=0)


def test_the_gradient_reaches_both_halves():
    code, noise = torch.randn(2, 4, dtype=torch.float64), torch.randn(2, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: reparametrise(value, noise), (code.requires_grad_(),))


@pytest.mark.parametrize(("code", "noise"), [((2, 4), (2, 3)), ((2, 3), (2, 2)), ((4,), (2, 2))])
def test_what_does_not_fit_is_refused(code, noise):
    with pytest.raises(ComponentError, match="as many log variances, and as much noise"):
        reparametrise(torch.zeros(code), torch.zeros(noise))


def test_sigmoid_is_the_inverse_of_the_logarithm_of_odds():
    p = torch.tensor([0.1, 0.5, 0.975])
    torch.testing.assert_close(sigmoid((p / (1 - p)).log()), p)
