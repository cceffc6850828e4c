"""Adversarial losses: values by hand, gradients, nested values."""

from __future__ import annotations

import math

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.losses.bce import BinaryCrossEntropy
from translate_plugins.losses.hinge import Hinge
from translate_plugins.losses.lsgan import LeastSquares
from translate_plugins.losses.relativistic import Relativistic
from translate_plugins.losses.wasserstein import Wasserstein

REAL = torch.tensor([[2.0], [-1.0]])
FAKE = torch.tensor([[0.5], [-3.0]])
ALL = [BinaryCrossEntropy, LeastSquares, Hinge, Wasserstein, Relativistic]


def sides(loss, real, fake):
    generator = loss.generator(real, fake) if isinstance(loss, Relativistic) else loss.generator(fake)
    return loss.discriminator(real, fake), generator


def softplus(x):
    return math.log1p(math.exp(x))


def test_bce_by_hand():
    loss = BinaryCrossEntropy()
    real = (softplus(-2.0) + softplus(1.0)) / 2
    fake = (softplus(0.5) + softplus(-3.0)) / 2
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(0.5 * (real + fake))
    assert BinaryCrossEntropy(halve=False).discriminator(REAL, FAKE).item() == pytest.approx(real + fake)
    assert loss.generator(FAKE).item() == pytest.approx((softplus(-0.5) + softplus(3.0)) / 2)
    assert BinaryCrossEntropy(minimax=True).generator(FAKE).item() == pytest.approx(-fake)


def test_bce_where_the_discriminator_cannot_tell_is_log_4():
    undecided = torch.zeros(4, 1)
    assert BinaryCrossEntropy(halve=False).discriminator(undecided, undecided).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize(("minimax", "gradient"), [(True, 0.0025), (False, 0.9975)])
def test_bce_gradient_where_the_discriminator_is_sure(minimax, gradient):
    logit = torch.tensor([-6.0], requires_grad=True)
    BinaryCrossEntropy(minimax=minimax).generator(logit).backward()
    assert logit.grad.item() == pytest.approx(-gradient, abs=5e-5)


def test_smoothing_moves_the_real_label_only():
    optimum = torch.full((1, 1), math.log(0.9 / 0.1), requires_grad=True)
    loss = BinaryCrossEntropy(smoothing=0.1)
    loss.discriminator(optimum, torch.zeros(1, 1)).backward()
    assert optimum.grad.item() == pytest.approx(0, abs=1e-6)
    fake = torch.tensor([[1.5]], requires_grad=True)
    loss.discriminator(torch.zeros(1, 1), fake).backward()
    assert fake.grad.item() == pytest.approx(0.5 / (1 + math.exp(-1.5)))
    assert loss.generator(FAKE) == BinaryCrossEntropy().generator(FAKE)


def test_bce_does_not_overflow():
    extreme = torch.tensor([[1000.0], [-1000.0]])
    assert all(torch.isfinite(value) for value in sides(BinaryCrossEntropy(), extreme, extreme))


@pytest.mark.parametrize(
    ("choices", "discriminator", "generator"),
    [
        # 1/2 mean((2-1)^2, (-1-1)^2) + 1/2 mean(0.5^2, 3^2); 1/2 mean((0.5-1)^2, (-3-1)^2)
        ({}, 0.5 * 2.5 + 0.5 * 4.625, 0.5 * 8.125),
        # As above, but fakes are compared with -1 and with 0: means of (1.5^2, (-2)^2) and of (0.5^2, 3^2)
        ({"a": -1, "b": 1, "c": 0}, 0.5 * 2.5 + 0.5 * 3.125, 0.5 * 4.625),
        ({"halve_generator": False}, 0.5 * 2.5 + 0.5 * 4.625, 8.125),
    ],
)
def test_lsgan_by_hand(choices, discriminator, generator):
    values = sides(LeastSquares(**choices), REAL, FAKE)
    assert [value.item() for value in values] == pytest.approx([discriminator, generator])


def test_hinge_by_hand():
    # D: the mean of 0 and 2, and that of 1.5 and 0. G: minus the mean of 0.5 and -3.
    assert [value.item() for value in sides(Hinge(), REAL, FAKE)] == pytest.approx([1.0 + 0.75, 1.25])


def test_wasserstein_by_hand():
    assert [value.item() for value in sides(Wasserstein(), REAL, FAKE)] == pytest.approx([-1.25 - 0.5, 1.25])


def test_relativistic_average_by_hand():
    discriminator, generator = sides(Relativistic(), REAL, FAKE)
    # The mean of real is 0.5, of fake -1.25.
    real, fake = [2 + 1.25, -1 + 1.25], [0.5 - 0.5, -3 - 0.5]
    assert discriminator.item() == pytest.approx(
        sum(softplus(-x) for x in real) / 2 + sum(softplus(x) for x in fake) / 2
    )
    assert generator.item() == pytest.approx(sum(softplus(x) for x in real) / 2 + sum(softplus(-x) for x in fake) / 2)


def test_relativistic_paired_by_hand():
    discriminator, generator = sides(Relativistic(mode="paired"), REAL, FAKE)
    differences = [1.5, 2.0]
    assert discriminator.item() == pytest.approx(sum(softplus(-x) for x in differences) / 2)
    assert generator.item() == pytest.approx(sum(softplus(x) for x in differences) / 2)


def test_relativistic_hinge_by_hand():
    discriminator, generator = sides(Relativistic(form="hinge"), REAL, FAKE)
    # 1 - (real - mean fake): -2.25, 0.75; 1 - (mean real - fake): 1, -2.5
    assert discriminator.item() == pytest.approx(0.375 + 0.5)
    # 1 - (fake - mean real): 1, 4.5; 1 - (mean fake - real): 4.25, 1.25
    assert generator.item() == pytest.approx(2.75 + 2.75)


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, LeastSquares])
def test_label_noise_moves_labels_inwards_on_the_discriminators_side_alone(kind):
    # A step on the outputs themselves finds the labels: the optimum is the mean label, 1 - w / 2 and w / 2.
    loss, width = kind(label_noise=0.2), 0.2
    for side, expected in ((0, 1 - width / 2), (1, width / 2)):
        at = expected if kind is LeastSquares else math.log(expected / (1 - expected))
        judged = [torch.zeros(1), torch.zeros(1)]
        judged[side] = torch.full((200_000,), at, requires_grad=True)
        torch.manual_seed(0)
        loss.discriminator(*judged).backward()
        assert judged[side].grad.sum().item() == pytest.approx(0, abs=2e-4)
        # Spread over exactly the width: 0.5 (D(x) - label), divided by the number of outputs.
        scale = 1.0 if kind is LeastSquares else 0.5
        labels = expected - judged[side].grad * len(judged[side]) / scale
        assert labels.min().item() == pytest.approx(expected - width / 2, abs=1e-3)
        assert labels.max().item() == pytest.approx(expected + width / 2, abs=1e-3)
        assert labels.std().item() == pytest.approx(width / 12**0.5, rel=0.02)
    assert loss.generator(FAKE) == kind().generator(FAKE)


def test_label_noise_follows_the_labels_of_least_squares():
    loss = LeastSquares(a=1.0, b=-1.0, label_noise=2.0)  # the other way round, and so wide that they meet
    # Real outputs of 1 are compared with -1 + 2 u, fake ones of -1 with 1 - 2 u: E (2 - 2 u)^2 = 4 / 3 each.
    found = loss.discriminator(torch.ones(50_000), -torch.ones(50_000))
    assert found.item() == pytest.approx(0.5 * (4 / 3 + 4 / 3), rel=0.02)


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, LeastSquares])
def test_label_noise_is_new_in_each_call_and_seeded(kind):
    loss = kind(label_noise=0.1)
    torch.manual_seed(5)
    first, second = loss.discriminator(REAL, FAKE), loss.discriminator(REAL, FAKE)
    torch.manual_seed(5)
    assert first == loss.discriminator(REAL, FAKE)
    assert first != second


@pytest.mark.parametrize("kind", [BinaryCrossEntropy, LeastSquares])
def test_without_noise_nothing_is_drawn(kind):
    before = torch.get_rng_state()
    kind().discriminator(REAL, FAKE)
    assert torch.equal(before, torch.get_rng_state())


def test_smoothing_of_least_squares_is_its_real_label():
    optimum = torch.full((3, 1), 0.9, requires_grad=True)
    LeastSquares(b=0.9).discriminator(optimum, FAKE).backward()
    assert (optimum.grad == 0).all()


def test_what_the_check_reads():
    assert all(getattr(kind, "expects_logits", False) for kind in ALL if kind is not LeastSquares)
    assert [kind for kind in ALL if getattr(kind, "needs_constraint", False)] == [Wasserstein]


@pytest.mark.parametrize("kind", ALL)
def test_the_sides_pull_the_fakes_in_opposite_directions(kind):
    for index in (0, 1):
        fake = torch.full((4, 1), 0.3, requires_grad=True)
        sides(kind(), torch.full((4, 1), 0.1), fake)[index].backward()
        assert (fake.grad > 0).all() if index == 0 else (fake.grad < 0).all()


@pytest.mark.parametrize("kind", ALL)
def test_nested_values_are_averaged_within_and_summed_over_scales(kind):
    loss = kind()
    torch.manual_seed(0)
    real, fake = ([torch.randn(2, 1, 4, 4), torch.randn(2, 1, 2, 2)] for _ in range(2))
    alone = [sides(loss, r, f) for r, f in zip(real, fake, strict=True)]
    together = sides(loss, [real[0], {"coarse": real[1]}], (fake[0], [fake[1]]))
    for index in (0, 1):
        torch.testing.assert_close(together[index], alone[0][index] + alone[1][index])
        assert together[index].shape == ()


@pytest.mark.parametrize("kind", ALL)
def test_half_precision_is_reduced_in_single(kind):
    torch.manual_seed(0)
    real, fake = torch.randn(64, 1, 16, 16).half(), torch.randn(64, 1, 16, 16).half()
    for half, single in zip(sides(kind(), real, fake), sides(kind(), real.float(), fake.float()), strict=True):
        assert half.dtype == torch.float32
        assert torch.equal(half, single)


@pytest.mark.parametrize("kind", ALL)
def test_gradients_are_right(kind):
    torch.manual_seed(0)
    real, fake = (torch.randn(3, 1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    for index in (0, 1):
        assert torch.autograd.gradcheck(lambda r, f, i=index: sides(kind(), r, f)[i], (real, fake))


def test_what_is_no_tensor_is_refused():
    with pytest.raises(ComponentError, match="got str"):
        Hinge().generator("fake")
    with pytest.raises(ComponentError, match="empty list"):
        Hinge().generator([])
