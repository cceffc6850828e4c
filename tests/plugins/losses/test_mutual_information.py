"""The bound of the mutual information: closed forms, its cap, its sign in a turn, and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from translate.errors import ComponentError
from translate_plugins.losses.cross_entropy import cross_entropy
from translate_plugins.losses.mutual_information import mutual_information
from translate_plugins.metrics.mutual_information import mutual_information as metric

CODES = torch.eye(4)[[2, 0, 3]]


def values(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def test_a_categorical_bound_is_the_entropy_minus_the_cross_entropy():
    logits = values(3, 4)
    torch.testing.assert_close(mutual_information(logits, CODES), math.log(4) - cross_entropy(logits, CODES))
    torch.testing.assert_close(mutual_information(logits, CODES.argmax(1)), mutual_information(logits, CODES))


def test_it_is_zero_where_nothing_is_known_and_the_entropy_where_all_is():
    ten = torch.eye(10)
    assert mutual_information(torch.zeros(10, 10), ten).item() == pytest.approx(0, abs=1e-6)
    assert mutual_information(100 * ten, ten).item() == pytest.approx(math.log(10))


@pytest.mark.parametrize("size", [0.1, 1.0, 30.0])
def test_a_categorical_bound_is_never_above_the_entropy(size):
    code = torch.eye(10).repeat(20, 1)
    assert mutual_information(size * values(200, 10), code).item() <= math.log(10) + 1e-6
    assert (metric(size * values(200, 10), code) <= math.log(10) + 1e-6).all()


def test_it_bounds_a_mutual_information_that_is_known():
    """A symmetric channel that gives another class with probability 1/4: I = ln 4 - H(0.75, three of 1/12)."""
    channel = torch.full((4, 4), 1 / 12) + (0.75 - 1 / 12) * torch.eye(4)  # p(x | c) = p(c | x), both uniform
    exact = math.log(4) + 0.75 * math.log(0.75) + 0.25 * math.log(1 / 12)
    pairs = [(c, x) for c in range(4) for x in range(4)]
    weight = torch.tensor([channel[c, x] / 4 for c, x in pairs])
    code, seen = (torch.tensor(side) for side in zip(*pairs, strict=True))

    def bound(q: torch.Tensor) -> float:
        return float((metric(q[seen], code) * weight).sum())

    assert bound(channel.log()) == pytest.approx(exact, abs=1e-6)
    for other in (torch.zeros(4, 4), 3 * torch.eye(4), values(4, 4)):
        assert bound(other) < exact


def test_a_continuous_bound_is_a_log_density_summed_over_the_numbers_of_each_example():
    code, mean, log_variance = values(5, 2), values(5, 4)[:, :2], values(5, 4)[:, 2:]
    for std in (1.0, 0.3):
        density = Independent(Normal(mean, torch.tensor(std)), 1).log_prob(code)
        bound = mutual_information(mean, code, code="continuous", std=std)
        torch.testing.assert_close(bound, density.mean() + 2 * math.log(2))
    density = Independent(Normal(mean, (0.5 * log_variance).exp()), 1).log_prob(code)
    found = torch.cat([mean, log_variance], dim=1)
    each = metric(found, code, code="continuous", std="learned", entropy=0.0)
    torch.testing.assert_close(each, density)  # columns are numbers of the code, rows are examples


def test_the_mean_of_an_example_is_its_own():
    """A known re-implementation took rows 0 and 1 of the batch for mean and deviation."""
    mean = values(5, 2).requires_grad_()
    metric(mean, values(5, 2) + 1, code="continuous")[3].backward()
    assert mean.grad is not None
    assert mean.grad[3].ne(0).all()
    assert mean.grad[[0, 1, 2, 4]].eq(0).all()


def test_the_gradient_of_a_fixed_deviation_is_that_of_half_the_squared_error():
    mean, code = values(5, 2).requires_grad_(), values(5, 2).flip(0)
    (gradient,) = torch.autograd.grad(mutual_information(mean, code, code="continuous"), mean)
    torch.testing.assert_close(gradient, (code - mean).detach() / 5)


def test_a_uniform_code_that_is_found_exactly_reaches_the_cap_that_a_deviation_of_one_has():
    code = 2 * torch.rand(1000, 3) - 1
    bound = mutual_information(code, code, code="continuous")
    assert bound.item() == pytest.approx(3 * (math.log(2) - 0.5 * math.log(2 * math.pi)), rel=1e-5)


def test_the_entropy_shifts_the_value_and_no_gradient():
    logits = values(3, 4).requires_grad_()
    plain, shifted = mutual_information(logits, CODES), mutual_information(logits, CODES, entropy=1.0)
    assert (plain - shifted).item() == pytest.approx(math.log(4) - 1)
    assert torch.equal(*(torch.autograd.grad(each, logits)[0] for each in (plain, shifted)))


def test_gradients_are_right():
    one = values(3, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: mutual_information(x, CODES.double()), (one,))
    code = values(3, 2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: mutual_information(x, code, code="continuous", std="learned"), (one,))


def test_it_says_that_it_is_raised_and_that_it_takes_logits():
    assert mutual_information.is_maximised
    assert mutual_information.expects_logits


def test_half_precision_is_taken_in_single():
    assert mutual_information(values(3, 4).half(), CODES).dtype == torch.float32


@pytest.mark.parametrize(
    ("of", "to", "choices", "text"),
    [
        ((3, 4), torch.eye(5)[:3], {}, r"one logit for each class \(got \(3, 4\) for a code of \(3, 5\)\)"),
        ((3, 4), torch.zeros(2, dtype=torch.int64), {}, "one logit for each class"),
        ((3, 4, 1, 1), torch.zeros(3, 4), {}, "one logit for each class"),
        ((3, 4), torch.zeros(3, 2), {"code": "continuous"}, "a mean for each of its numbers"),
        ((3, 2), torch.zeros(3, 2), {"code": "continuous", "std": "learned"}, "a mean and a log variance for each"),
        ((3, 2), torch.zeros(3), {"code": "continuous"}, "a mean for each of its numbers"),
    ],
)
def test_codes_that_do_not_fit_are_refused(of, to, choices, text):
    with pytest.raises(ComponentError, match=text) as caught:
        mutual_information(torch.zeros(of), to, **choices)
    assert "makes: CODE" in caught.value.fix
