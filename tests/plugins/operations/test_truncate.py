"""Truncation: the mean's closed form, its limits, and that it is part of a checkpoint."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.truncate import Truncate


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def gathered(batches, decay=0.9):
    truncate = Truncate(decay=decay)
    for batch in batches:
        truncate(batch, 0.7)
    return truncate


def test_the_mean_has_its_closed_form():
    """After n batches: decay^(n-1) m_1 + (1 - decay) sum over k > 1 of decay^(n-k) m_k."""
    batches = [torch.randn(4, 3) + k for k in range(7)]
    truncate = gathered(batches)
    means, n = [batch.mean(0) for batch in batches], len(batches)
    expected = 0.9 ** (n - 1) * means[0]
    expected = expected + 0.1 * sum(0.9 ** (n - k) * means[k - 1] for k in range(2, n + 1))
    torch.testing.assert_close(truncate.mean, expected, rtol=0, atol=1e-6)


def test_of_equal_batches_the_mean_is_theirs():
    batch = torch.randn(4, 3)
    torch.testing.assert_close(gathered([batch] * 20).mean, batch.mean(0), rtol=0, atol=1e-6)


def test_in_training_codes_pass_as_they_are_with_their_gradient():
    truncate = Truncate()
    codes = torch.randn(4, 3, requires_grad=True)
    result = truncate(codes, 0.0)
    assert torch.equal(result, codes)
    result.sum().backward()
    assert torch.equal(codes.grad, torch.ones(4, 3))
    assert not truncate.mean.requires_grad


def test_outside_training_it_is_the_formula_and_gathers_nothing():
    truncate = gathered([torch.randn(4, 3) + 2]).eval()
    mean, codes = truncate.mean.clone(), torch.randn(5, 3)
    torch.testing.assert_close(truncate(codes, 0.7), mean + 0.7 * (codes - mean))
    torch.testing.assert_close(truncate(codes, 1.0), codes)
    assert torch.equal(truncate(codes, 0.0), mean.expand(5, 3))
    assert torch.equal(truncate.mean, mean)


def test_each_example_may_have_a_psi_of_its_own():
    truncate = gathered([torch.randn(4, 3)]).eval()
    codes, psi = torch.randn(2, 3), torch.tensor([[0.0], [1.0]])
    result = truncate(codes, psi)
    torch.testing.assert_close(result, torch.stack([truncate.mean, codes[1]]))


def test_before_there_is_a_mean_codes_pass():
    codes = torch.randn(2, 3)
    assert torch.equal(Truncate().eval()(codes, 0.0), codes)


def test_the_mean_goes_through_a_state_dict_into_a_new_one():
    first = gathered([torch.randn(4, 3)])
    second = Truncate(decay=0.9)
    second.load_state_dict(first.state_dict())
    batch = torch.randn(4, 3)
    first(batch, 0.7)
    second(batch, 0.7)
    assert torch.equal(first.mean, second.mean)


def test_what_is_no_code_is_refused():
    with pytest.raises(ComponentError, match="truncate takes vectors \\(got a value of 3 dimensions\\)"):
        Truncate()(torch.zeros(1, 2, 3, 4), 0.7)
    with pytest.raises(ComponentError, match="the mean of codes of 3 numbers \\(got 5\\)"):
        gathered([torch.randn(4, 3)])(torch.zeros(2, 5), 0.7)
