"""Latents: moments, specs, generators."""

from __future__ import annotations

import pytest
import torch

from translate import Label, Tensor, Vector
from translate.errors import ComponentError
from translate.inference.latents import draw as draw_by_law
from translate_plugins.latents.categorical import Categorical
from translate_plugins.latents.hypersphere import Hypersphere
from translate_plugins.latents.normal import Normal
from translate_plugins.latents.uniform import Uniform

CPU = torch.device("cpu")
ALL = [
    Normal(size=7),
    Normal(size=[2, 4, 6]),
    Uniform(size=7),
    Uniform(size=[2, 4, 6]),
    Categorical(),
    Categorical(one_hot=False),
    Hypersphere(size=7),
]


def draw(latent, count, seed=0):
    return latent.sample(count, generator=torch.Generator().manual_seed(seed), device=CPU)


@pytest.mark.parametrize(
    ("latent", "mean", "variance", "fourth"),
    [
        (Normal(size=100), 0.0, 1.0, 3.0),
        (Normal(size=100, std=0.5), 0.0, 0.25, 3.0),
        (Uniform(size=100), 0.0, 1 / 3, 1.8),
        (Uniform(size=100, low=0.0), 0.5, 1 / 12, 1.8),
        (Uniform(size=100, low=2.0, high=6.0), 4.0, 16 / 12, 1.8),
        (Hypersphere(size=100), 0.0, 1.0, 3 * 100 / 102),
    ],
)
def test_moments(latent, mean, variance, fourth):
    values = draw(latent, 2000)
    assert values.mean().item() == pytest.approx(mean, abs=0.01)
    assert values.var().item() == pytest.approx(variance, rel=0.01)
    kurtosis = ((values - values.mean()) / values.std()).pow(4).mean()
    assert kurtosis.item() == pytest.approx(fourth, rel=0.03)


@pytest.mark.parametrize(("radius", "expected"), [(None, 6.0), (2.5, 2.5)])
def test_all_points_of_a_hypersphere_have_one_length(radius, expected):
    lengths = draw(Hypersphere(size=36, radius=radius), 500).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((500,), expected))


def test_a_hypersphere_has_no_corners():
    """The largest entry of a point of the plane is 0.9 of its length on average: 2 sqrt(2) / pi."""
    points = draw(Hypersphere(size=2, radius=1.0), 20000)
    assert points.abs().amax(1).mean().item() == pytest.approx(2 * 2**0.5 / torch.pi, abs=0.002)


def test_an_exported_file_draws_from_the_same_hypersphere():
    law = Hypersphere(size=9, radius=4.0).law
    drawn = torch.from_numpy(draw_by_law(law, (9,), "float32", range(200), 0, name="z"))
    torch.testing.assert_close(drawn.norm(dim=1), torch.full((200,), 4.0))
    assert drawn.mean().abs() < 0.1


def test_entries_are_independent():
    values = draw(Normal(size=20), 20000)
    torch.testing.assert_close(values.T.corrcoef(), torch.eye(20), atol=0.03, rtol=0)


def test_uniform_stays_within_its_bounds():
    values = draw(Uniform(size=100, low=-2.0, high=3.0), 1000)
    assert values.min() >= -2
    assert values.max() <= 3


@pytest.mark.parametrize("one_hot", [True, False])
def test_all_classes_are_equally_likely(one_hot):
    values = draw(Categorical(classes=5, one_hot=one_hot), 20000)
    labels = values.argmax(1) if one_hot else values
    assert (labels.bincount(minlength=5) / 20000).tolist() == pytest.approx([0.2] * 5, abs=0.01)
    if one_hot:
        assert set(values.unique().tolist()) == {0.0, 1.0}
        assert (values.sum(1) == 1).all()


@pytest.mark.parametrize("latent", ALL)
def test_samples_have_the_spec(latent):
    values = draw(latent, 5)
    assert values.shape == (5, *latent.spec.shape)
    assert str(values.dtype) == f"torch.{latent.spec.dtype}"


@pytest.mark.parametrize("latent", ALL)
def test_samples_come_from_the_generator_that_is_given(latent):
    before = torch.get_rng_state()
    first, same, other = draw(latent, 50, 1), draw(latent, 50, 1), draw(latent, 50, 2)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_specs():
    assert Normal(size=64).spec == Vector(64)
    assert Uniform(size=[8, 16, 32]).spec == Tensor((8, 16, 32))
    assert Categorical(classes=3).spec == Vector(3)
    assert Categorical(classes=3, one_hot=False).spec == Label(3)


def test_empty_bounds_are_refused():
    with pytest.raises(ComponentError, match=r"low must be below high \(got 1.0 and 1.0\)"):
        Uniform(low=1.0, high=1.0)
