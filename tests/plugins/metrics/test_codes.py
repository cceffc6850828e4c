"""Metrics of autoencoders: the bound in nats, moments of codes, and the probe that tells them from a prior."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from translate.errors import ComponentError
from translate_plugins.losses.bernoulli import bernoulli
from translate_plugins.losses.kl import kl
from translate_plugins.metrics.elbo import Elbo
from translate_plugins.metrics.l2 import l2
from translate_plugins.metrics.moments import Moments
from translate_plugins.metrics.probe import Probe


def normal(*shape, seed=0, std=1.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * std


def redrawn(count=6):
    logits, code = normal(count, 1, 4, 5), normal(count, 6, seed=1)
    return logits, (normal(count, 1, 4, 5, seed=2) > 0).float(), code


def test_the_bound_as_torch_has_it_for_every_example():
    logits, x, code = redrawn()
    metric = Elbo()
    metric.update(logits[:2].sigmoid(), x[:2], code[:2])
    metric.update(logits[2:].sigmoid(), x[2:], code[2:])
    found = metric.compute()
    likelihood = -Bernoulli(logits=logits.double()).log_prob(x.double()).flatten(1).sum(1)
    mean, log_variance = code.double().chunk(2, 1)
    divergence = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(found["likelihood"], likelihood, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["kl"], divergence)
    torch.testing.assert_close(found["bound"], found["likelihood"] + found["kl"])


def test_the_bound_is_the_sum_of_the_losses():
    logits, x, code = redrawn()
    metric = Elbo()
    metric.update(logits.sigmoid(), x, code)
    expected = bernoulli(logits, x) + kl(code)
    assert metric.compute()["bound"].mean().item() == pytest.approx(expected.item(), rel=1e-5)


def test_it_is_a_bound_on_a_likelihood_that_is_known():
    """One pixel, white with probability sigmoid(a z), z ~ N(0, 1): the bound of any code lies above -log p(x)."""
    z = normal(200_000, seed=3)
    a, x = 1.5, torch.ones(200_000, 1, 1, 1)
    exact = -math.log((a * z).sigmoid().mean().item())
    for mean, log_variance in ((0.0, 0.0), (0.5, -0.3), (2.0, -2.0)):
        metric = Elbo()
        code = torch.tensor([[mean, log_variance]]).expand(len(z), -1)
        p = (a * (mean + math.exp(log_variance / 2) * z)).sigmoid().view(-1, 1, 1, 1)
        metric.update(p, x, code)
        assert metric.compute()["bound"].mean().item() > exact


def test_a_sure_mistake_costs_a_finite_number_of_nats():
    metric = Elbo()
    metric.update(torch.ones(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), torch.zeros(1, 2))
    assert metric.compute()["likelihood"].item() == pytest.approx(2 * 16.64, abs=0.05)


def test_codes_that_do_not_fit_and_no_examples():
    with pytest.raises(ComponentError, match="as many log variances for each of 2 examples"):
        Elbo().update(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2), torch.zeros(2, 3))
    with pytest.raises(ComponentError, match="elbo compares images of one shape"):
        Elbo().update(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 3), torch.zeros(2, 2))
    with pytest.raises(ComponentError, match="has seen no examples"):
        Elbo().compute()


def test_squared_difference_by_hand():
    of = torch.tensor([[[[0.0, 0.5]]], [[[1.0, 1.0]]]])
    assert l2(of, torch.zeros(2, 1, 1, 2)).tolist() == [0.125, 1.0]


def moments(of, to):
    metric = Moments()
    for first, second in zip(of.chunk(3), to.chunk(3), strict=True):
        metric.update(first, second)
    return metric.compute()


def test_moments_are_the_largest_deviations_over_the_dimensions():
    to = normal(3000, 4)
    to = (to - to.mean(0)) / to.std(0) * 5
    of = to.flip(0) * torch.tensor([1.0, 1.0, 0.8, 1.1]) + torch.tensor([0.0, -0.7, 0.2, 0.0])
    assert moments(of, to) == {"mean": pytest.approx(0.7, abs=1e-4), "std": pytest.approx(0.2, abs=1e-4)}
    same = moments(to, to)
    assert same == {"mean": 0, "std": 0}


def probe(of, to, of_test, to_test, **choices):
    metric = Probe(**choices)
    for first, second in zip(of.chunk(2), to.chunk(2), strict=True):
        metric.fit(first, second)
    metric.fitted()
    metric = copy.deepcopy(metric)
    for first, second in zip(of_test.chunk(2), to_test.chunk(2), strict=True):
        metric.update(first, second)
    return metric.compute()


def test_the_probe_sees_no_difference_where_there_is_none():
    sets = [normal(4000, 3, seed=seed, std=5) for seed in range(4)]
    assert probe(*sets) == pytest.approx(0.5, abs=0.03)


def test_the_probe_tells_what_moments_do_not():
    """A ring has the mean and spread of the prior in both dimensions, and another form."""

    def ring(seed):
        angle = torch.rand(4000, generator=torch.Generator().manual_seed(seed)) * 2 * math.pi
        return torch.stack([angle.cos(), angle.sin()], 1) * 5 * 2**0.5

    rings, priors = [ring(0), ring(1)], [normal(4000, 2, seed=seed, std=5) for seed in (2, 3)]
    assert moments(rings[0], priors[0])["std"] < 0.05
    assert probe(rings[0], priors[0], rings[1], priors[1]) > 0.75
    far = probe(rings[0] + 40, priors[0], rings[1] + 40, priors[1])
    assert far == pytest.approx(1, abs=1e-3)


def test_the_probe_separates_shifted_normals_as_far_as_can_be():
    """Of two normals one deviation apart the best score gives Phi(1 / sqrt 2) = 0.760."""
    of, of_test = (normal(8000, 1, seed=seed) + 1 for seed in (0, 1))
    to, to_test = (normal(8000, 1, seed=seed) for seed in (2, 3))
    assert probe(of, to, of_test, to_test) == pytest.approx(0.760, abs=0.015)


def test_the_area_counts_pairs_and_ties_by_half():
    metric = Probe(epochs=1)
    metric.fit(normal(64, 1) + 3, normal(64, 1, seed=1))
    metric.fitted()
    network, centre, spread = metric._network, metric._centre, metric._spread
    of, to = torch.tensor([[0.0], [1.0], [1.0]]), torch.tensor([[1.0], [-2.0]])
    metric.update(of, to)
    scores = [network((value - centre) / spread)[:, 0] for value in (of, to)]
    expected = sum(float(a > b) + 0.5 * float(a == b) for a in scores[0] for b in scores[1]) / 6
    assert metric.compute() == pytest.approx(expected)


def test_the_probe_repeats_itself_and_leaves_torchs_generator_alone():
    sets = [normal(300, 3, seed=seed) for seed in range(4)]
    before = torch.get_rng_state()
    assert probe(*sets) == probe(*sets)
    assert probe(*sets) != probe(*sets, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_vectors_that_do_not_fit_are_refused():
    for metric in (Moments().update, Probe().fit):
        with pytest.raises(ComponentError, match=r"compares vectors of one size \(got \(2, 3\) and \(2, 4\)\)"):
            metric(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ComponentError, match=r"has learned nothing \(got vectors of 3\)"):
        Probe().update(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ComponentError, match="has seen no examples"):
        Probe().fitted()
