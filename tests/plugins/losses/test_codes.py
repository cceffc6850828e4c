"""The divergence of codes, and the cross-entropy of classes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from translate.errors import ComponentError
from translate_plugins.losses.cross_entropy import cross_entropy
from translate_plugins.losses.kl import kl


def code(*shape, dtype=torch.float32):
    torch.manual_seed(0)
    return torch.randn(*shape, dtype=dtype)


@pytest.mark.parametrize("shape", [(3, 8), (3, 4, 2, 5)])
def test_divergence_as_torch_has_it(shape):
    mean, log_variance = code(*shape).chunk(2, dim=1)
    made = Independent(Normal(mean, (0.5 * log_variance).exp()), mean.ndim - 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), mean.ndim - 1)
    torch.testing.assert_close(kl(code(*shape)), kl_divergence(made, prior).mean())


def test_divergence_is_the_mean_log_ratio_of_samples():
    values = torch.tensor([[0.7, -1.2, 0.3, -0.6]], dtype=torch.float64)
    mean, log_variance = values.chunk(2, dim=1)
    torch.manual_seed(0)
    drawn = mean + (0.5 * log_variance).exp() * torch.randn(400_000, 2, dtype=torch.float64)
    made, prior = Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)
    ratio = (made.log_prob(drawn) - prior.log_prob(drawn)).sum(1).mean()
    assert kl(values).item() == pytest.approx(ratio.item(), rel=5e-3)


def test_divergence_by_hand():
    # mean 1, variance e: (1 + e - 1 - 1) / 2
    assert kl(torch.tensor([[1.0, 1.0]])).item() == pytest.approx((math.e - 1) / 2)
    assert kl(torch.zeros(5, 8)).item() == 0
    assert kl(torch.tensor([[3.0, 4.0]]), variance="unit").item() == pytest.approx(12.5)


def test_divergence_of_unit_variance_is_that_of_the_learned_one_at_one():
    mean = code(3, 4)
    torch.testing.assert_close(kl(mean, variance="unit"), kl(torch.cat([mean, torch.zeros_like(mean)], dim=1)))


def test_divergence_sums_over_the_code_and_averages_over_examples():
    values = code(3, 8)
    torch.testing.assert_close(kl(values), torch.stack([kl(one[None]) for one in values]).mean())
    mean, log_variance = values.chunk(2, dim=1)
    entries = [torch.cat([mean[:, i : i + 1], log_variance[:, i : i + 1]], dim=1) for i in range(4)]
    torch.testing.assert_close(kl(values), sum(kl(entry) for entry in entries))
    torch.testing.assert_close(kl(entries), kl(values))  # nested codes are summed


@pytest.mark.parametrize(("variance", "entries"), [("learned", 2 * 4 * 5), ("unit", 4 * 4 * 5)])
def test_the_mean_over_a_map_does_not_grow_with_it(variance, entries):
    values = code(3, 4, 4, 5)
    torch.testing.assert_close(kl(values, variance=variance, reduce="mean") * entries, kl(values, variance=variance))
    tiled = values.repeat(1, 1, 2, 2)
    torch.testing.assert_close(
        kl(tiled, variance=variance, reduce="mean"), kl(values, variance=variance, reduce="mean")
    )


@pytest.mark.parametrize("variance", ["learned", "unit"])
def test_the_gradient_of_the_divergence_is_right(variance):
    assert torch.autograd.gradcheck(
        lambda x: kl(x, variance=variance), (code(2, 4, dtype=torch.float64).requires_grad_(),)
    )


def test_codes_that_cannot_be_halved_are_refused():
    with pytest.raises(ComponentError, match=r"as many log variances as means.*\(2, 5\).*variance: unit"):
        kl(torch.zeros(2, 5))
    with pytest.raises(ComponentError, match="as many log variances"):
        kl(torch.zeros(4))
    assert kl(torch.zeros(2, 5), variance="unit").item() == 0


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
LABELS = torch.tensor([2, 1])


def by_hand(logits, label):
    return -math.log(math.exp(logits[label]) / sum(map(math.exp, logits)))


def test_cross_entropy_by_hand():
    expected = (by_hand(LOGITS[0].tolist(), 2) + by_hand(LOGITS[1].tolist(), 1)) / 2
    assert cross_entropy(LOGITS, LABELS).item() == pytest.approx(expected)


def test_cross_entropy_takes_labels_and_one_hot_vectors_alike():
    torch.testing.assert_close(cross_entropy(LOGITS, torch.eye(3)[LABELS]), cross_entropy(LOGITS, LABELS))


def test_cross_entropy_of_maps_of_one_position_and_of_several_scales():
    maps = LOGITS[:, :, None, None]
    assert cross_entropy(maps, LABELS) == cross_entropy(LOGITS, LABELS)
    expected = cross_entropy(LOGITS, LABELS) + cross_entropy(2 * LOGITS, LABELS)
    torch.testing.assert_close(cross_entropy([maps, 2 * LOGITS], LABELS), expected)


def test_cross_entropy_can_reach_zero_and_starts_at_the_log_of_the_classes():
    assert cross_entropy(torch.zeros(4, 10), torch.arange(4)).item() == pytest.approx(math.log(10))
    assert cross_entropy(1000 * torch.eye(4), torch.arange(4)).item() == 0
    assert cross_entropy(torch.eye(10).softmax(1), torch.arange(10)).item() > 1.46  # what a softmax inside would do


def test_the_gradient_of_cross_entropy_is_right():
    logits = LOGITS.double().requires_grad_()
    for classes in (LABELS, torch.eye(3, dtype=torch.float64)[LABELS]):
        assert torch.autograd.gradcheck(lambda x, c=classes: cross_entropy(x, c), (logits,))
    assert cross_entropy.expects_logits


def test_half_precision_logits_are_taken_in_single():
    assert cross_entropy(LOGITS.half(), LABELS).dtype == torch.float32


@pytest.mark.parametrize(
    ("logits", "classes"),
    [
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 3), torch.zeros(2, 4)),
        (torch.zeros(2, 3), torch.zeros(2)),
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2), torch.zeros(2, dtype=torch.int64)),
    ],
)
def test_logits_and_classes_that_do_not_fit_are_refused(logits, classes):
    with pytest.raises(ComponentError, match=r"one row of logits for each example.*logits N x classes"):
        cross_entropy(logits, classes)


def test_several_tensors_of_classes_are_refused():
    with pytest.raises(ComponentError, match="one tensor of classes"):
        cross_entropy(LOGITS, [LABELS, LABELS])
