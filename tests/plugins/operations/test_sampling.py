"""Operations with randomness, and the batch statistic: noise, codes, patches, minibatch standard deviation."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.losses.kl import kl
from translate_plugins.operations.minibatch_stddev import minibatch_stddev
from translate_plugins.operations.noise import Noise
from translate_plugins.operations.sample_code import SampleCode
from translate_plugins.operations.sample_patches import SamplePatches


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_the_strength_of_noise_multiplies_its_deviation():
    value = torch.randn(2, 3, 4, 4)
    torch.manual_seed(1)
    plain = Noise(std=0.4)(value) - value
    torch.manual_seed(1)
    torch.testing.assert_close(Noise(std=0.4)(value, 0.25) - value, 0.25 * plain)
    assert torch.equal(Noise()(value, 0.0), value)
    with pytest.raises(ComponentError, match=r"one strength \(got 2\)"):
        Noise()(value, 0.5, 0.5)


def test_noise_is_off_outside_of_training():
    value = torch.randn(2, 3, 4, 4)
    assert Noise().eval()(value, 2.0) is value


def test_a_code_is_sampled_with_its_mean_and_variance():
    mean, log_variance = torch.tensor([1.0, -2.0]), torch.tensor([0.0, 2.0])
    drawn = SampleCode()(torch.cat([mean, log_variance]).expand(100_000, 4))
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0), log_variance.exp(), atol=0, rtol=0.02)


def test_a_code_outside_of_training_is_its_mean():
    code = torch.randn(2, 8, 3, 3)
    sample = SampleCode()
    assert sample(code).shape == (2, 4, 3, 3)
    assert torch.equal(sample.eval()(code), code[:, :4])


def test_the_gradient_of_a_sample_reaches_both_halves():
    code = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)

    def seeded(value):
        torch.manual_seed(7)
        return SampleCode()(value)

    assert torch.autograd.gradcheck(seeded, (code,))
    assert torch.autograd.grad(seeded(code).sum(), code)[0].ne(0).all()
    assert kl(code).requires_grad  # the same code, in the same form


def test_a_code_that_cannot_be_halved_is_refused():
    for wrong in (torch.zeros(2, 5), torch.zeros(4)):
        with pytest.raises(ComponentError, match="as many log variances as means"):
            SampleCode()(wrong)


def maps(*shapes):
    """Feature maps in which every value names its place."""
    return [torch.arange(c * h * w, dtype=torch.float32).view(1, c, h, w) + 10_000 * torch.arange(n).view(n, 1, 1, 1)
            for n, c, h, w in shapes]  # fmt: skip


def test_patches_come_from_the_same_places_of_both():
    first = maps((2, 3, 8, 9), (2, 5, 4, 4))
    second = [-features for features in first]
    found = SamplePatches(count=7)(first, second)
    assert [tuple(patches.shape) for patches in found["first"]] == [(2, 7, 3), (2, 7, 5)]
    for one, other, features in zip(found["first"], found["second"], first, strict=True):
        assert torch.equal(one, -other)
        places = one[0, :, 0].long()  # of the first channel of the first example: the place itself
        assert len(places.unique()) == 7  # all different
        assert torch.equal(one, features.flatten(2).transpose(1, 2)[:, places])  # shared by examples and channels


def test_all_patches_are_taken_where_there_are_not_more():
    found = SamplePatches(count=100)(maps((1, 1, 3, 4)), maps((1, 1, 3, 4)))
    assert found["first"][0].flatten().sort().values.tolist() == list(range(12))


def test_patches_are_new_in_each_call_and_layer_and_spread_over_the_map():
    sample = SamplePatches(count=4)
    both = maps((1, 1, 8, 8), (1, 1, 8, 8))
    drawn = [sample(both, both)["first"] for _ in range(200)]
    assert sum(torch.equal(*layers) for layers in drawn) < 5
    counts = torch.bincount(torch.cat([layers[0].flatten() for layers in drawn]).long(), minlength=64)
    assert (counts > 0).all()
    assert counts.max() < 40


def test_patches_outside_of_training_are_evenly_spaced():
    sample = SamplePatches(count=4).eval()
    value = maps((1, 1, 2, 8))
    assert sample(value, value)["first"][0].flatten().tolist() == [0, 4, 8, 12]


def test_the_gradient_of_patches_goes_to_their_places():
    features = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)

    def seeded(value):
        torch.manual_seed(7)
        return SamplePatches(count=5)(value, value.detach())["first"][0]

    assert torch.autograd.gradcheck(seeded, (features,))
    gradient = torch.autograd.grad(seeded(features).sum(), features)[0]
    assert gradient.sum() == 2 * 3 * 5


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 5)),
        ([torch.zeros(2, 3, 4, 4)], [torch.zeros(2, 3, 4, 4)] * 2),
        (torch.zeros(2, 3), torch.zeros(2, 3)),
        ([], []),
    ],
)
def test_maps_that_do_not_fit_are_refused(first, second):
    with pytest.raises(ComponentError, match="two lists of feature maps of the same shapes"):
        SamplePatches()(first, second)


def authors_layer(x, group):
    """ProGAN's layer, one group of examples at a time: examples m, m + M, m + 2 M, ... of M groups."""
    groups = len(x) // group
    number = torch.zeros(len(x))
    for m in range(groups):
        members = x[m::groups]
        deviation = (members.var(0, unbiased=False) + 1e-8).sqrt()
        number[m::groups] = deviation.mean()
    return torch.cat([x, number.view(-1, *[1] * (x.ndim - 1)).expand(-1, 1, *x.shape[2:])], dim=1)


@pytest.mark.parametrize("shape", [(8, 3, 4, 5), (8, 6)])
@pytest.mark.parametrize("group", [None, 4, 2, 1, 16])
def test_minibatch_stddev_as_the_authors_layer(shape, group):
    value = torch.randn(shape)
    found = minibatch_stddev(value, group=group)
    torch.testing.assert_close(found, authors_layer(value, min(group or 8, 8)))
    assert torch.equal(found[:, :-1], value)


def test_minibatch_stddev_of_equal_examples_and_of_one_is_zero_with_a_finite_gradient():
    for value in (torch.randn(1, 3, 4, 4).expand(6, -1, -1, -1), torch.randn(1, 3, 4, 4)):
        value = value.clone().requires_grad_()
        found = minibatch_stddev(value)
        assert found[:, -1].abs().max().item() == pytest.approx(0, abs=1.1e-4)
        found[:, -1].sum().backward()
        assert torch.isfinite(value.grad).all()


def test_minibatch_stddev_does_not_depend_on_the_order():
    value = torch.randn(8, 3, 4, 4)
    shuffled = value[torch.randperm(8)]
    torch.testing.assert_close(minibatch_stddev(shuffled)[:, -1], minibatch_stddev(value)[:, -1])
    # Twice the spread, twice the number.
    torch.testing.assert_close(minibatch_stddev(2 * value + 1)[:, -1], 2 * minibatch_stddev(value)[:, -1])


def test_minibatch_stddev_can_be_differentiated_twice():
    value = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(minibatch_stddev, (value,))
    assert torch.autograd.gradgradcheck(minibatch_stddev, (value,))


def test_minibatch_stddev_of_half_precision_is_computed_in_single():
    value = (torch.randn(8, 4, 16, 16) * 1e-3).half()
    expected = minibatch_stddev(value.float())[:, -1]
    found = minibatch_stddev(value)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found[:, -1].float(), expected, atol=1e-6, rtol=1e-3)


def test_minibatch_stddev_refuses_what_does_not_fit():
    with pytest.raises(ComponentError, match="a batch of 6 cannot be divided into groups of 4"):
        minibatch_stddev(torch.zeros(6, 3), group=4)
    with pytest.raises(ComponentError, match="takes images or vectors"):
        minibatch_stddev(torch.zeros(6))
