"""Operations without a memory."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.operations.concat import concat
from translate_plugins.operations.leaf import leaf
from translate_plugins.operations.mix import Mix
from translate_plugins.operations.noise import Noise
from translate_plugins.operations.pack import pack
from translate_plugins.operations.resize import resize


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_mix_draws_one_number_for_each_example():
    between = Mix()(torch.ones(64, 3, 4, 4), torch.zeros(64, 3, 4, 4))
    shares = between.detach().flatten(1)
    assert (shares == shares[:, :1]).all()
    assert len(shares[:, 0].unique()) == 64


def test_mix_is_uniform_between_its_inputs():
    first, second = torch.full((20000, 1), 3.0), torch.full((20000, 1), 1.0)
    shares = (Mix()(first, second).detach() - 1) / 2
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares.mean().item() == pytest.approx(0.5, abs=0.01)
    assert shares.var().item() == pytest.approx(1 / 12, abs=0.003)


def test_mix_draws_from_the_global_generator():
    first, second = torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(Mix()(first, second))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("history", [False, True])
def test_mix_and_leaf_make_a_leaf(history):
    value = torch.randn(2, 3, requires_grad=history) * 1.0
    for result in (Mix()(value, value), leaf(value)):
        assert result.is_leaf
        assert result.requires_grad
        torch.testing.assert_close(result.detach(), value.detach())
    assert value.requires_grad is history


def test_mix_refuses_different_shapes():
    with pytest.raises(ComponentError, match=r"\(2, 3\) and \(1, 3\)"):
        Mix()(torch.zeros(2, 3), torch.zeros(1, 3))


def test_noise_has_the_stated_deviation_and_lets_the_gradient_through():
    value = torch.full((1, 1, 200, 200), 5.0, requires_grad=True)
    noise = Noise(std=0.3)
    result = noise(value)
    assert (result - value).mean().item() == pytest.approx(0, abs=0.01)
    assert (result - value).std().item() == pytest.approx(0.3, rel=0.02)
    assert not torch.equal(noise(value), result)
    result.sum().backward()
    assert (value.grad == 1).all()
    assert torch.equal(Noise(std=0)(value), value)


def test_concat_joins_channels_in_order():
    first, second = torch.zeros(2, 3, 4, 5), torch.ones(2, 1, 4, 5)
    result = concat(first, second)
    assert result.shape == (2, 4, 4, 5)
    assert torch.equal(result[:, :3], first)
    assert torch.equal(result[:, 3:], second)


def test_concat_repeats_a_vector_over_an_image():
    vector = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    result = concat(torch.zeros(2, 3, 4, 5), vector)
    assert result.shape == (2, 5, 4, 5)
    assert (result[:, 3:] == vector[:, :, None, None]).all()
    assert concat(vector, vector).shape == (2, 4)


@pytest.mark.parametrize(
    "values", [(), (torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5)), (torch.zeros(1, 3, 4, 4), torch.zeros(1))]
)
def test_concat_refuses_what_does_not_fit(values):
    with pytest.raises(ComponentError, match="concat joins images of one size"):
        concat(*values)


ANTIALIASED = {
    "bilinear": {"antialias": True, "align_corners": False},
    "bicubic": {"antialias": True, "align_corners": False},
}


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "area"])
@pytest.mark.parametrize("size", [(4, 7), (16, 20), (9, 12), (3, 30)])
def test_resize_is_the_same_with_and_without_a_gradient(method, size):
    image = torch.randn(2, 3, 9, 12, dtype=torch.float64).float()
    expected = F.interpolate(image, size=size, mode=method, **ANTIALIASED.get(method, {}))
    assert torch.equal(resize(image, size=list(size), method=method), expected)
    torch.testing.assert_close(resize(image.requires_grad_(), size=list(size), method=method), expected)


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "area"])
def test_resize_has_the_right_gradient(method):
    image = torch.randn(1, 2, 8, 6, requires_grad=True)
    other = image.detach().clone().requires_grad_()
    weights = torch.randn(1, 2, 4, 9)
    (resize(image, size=[4, 9], method=method) * weights).sum().backward()
    (F.interpolate(other, size=(4, 9), mode=method, **ANTIALIASED.get(method, {})) * weights).sum().backward()
    torch.testing.assert_close(image.grad, other.grad)


def test_resize_by_nearest_takes_pixels():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert resize(image, size=2, method="nearest").flatten().tolist() == [5.0, 7.0, 13.0, 15.0]


def test_resize_by_area_averages():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert resize(image, scale=0.5, method="area").flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


@pytest.mark.parametrize("gradient", [False, True])
def test_resize_does_not_alias(gradient):
    stripes = torch.tensor([1.0, -1.0]).repeat(16).expand(1, 1, 32, 32).clone().requires_grad_(gradient)
    assert resize(stripes, size=8)[..., 1:-1].abs().max() < 0.2
    assert resize(stripes, size=8, method="nearest").abs().max() == 1


def test_resize_by_scale_and_to_the_same_size():
    image = torch.randn(1, 3, 8, 12)
    assert resize(image, scale=0.5).shape == (1, 3, 4, 6)
    assert resize(image, scale=2).shape == (1, 3, 16, 24)
    torch.testing.assert_close(resize(image, size=[8, 12]), image)


def test_resize_keeps_its_precision_under_autocast():
    image = torch.randn(1, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = resize(image.clone().requires_grad_(), size=5)
    torch.testing.assert_close(result, resize(image, size=5))


def test_resize_works_without_memory():
    image = torch.empty(2, 3, 8, 8, device="meta", requires_grad=True)
    assert resize(image, size=4).shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("choices", "message"), [({}, "either"), ({"size": 4, "scale": 0.5}, "either"), ({"scale": 0.01}, "leaves nothing")]
)
def test_resize_refuses_what_cannot_be(choices, message):
    with pytest.raises(ComponentError, match=message):
        resize(torch.zeros(1, 3, 8, 8), **choices)
    with pytest.raises(ComponentError, match="takes images"):
        resize(torch.zeros(1, 3), size=4)


def images(sides=(4, 8), count=6):
    return [torch.randn(count, 3, side, side) for side in sides]


@pytest.mark.parametrize("form", [list, tuple])
def test_mix_of_lists_has_one_number_for_all_parts_of_an_example(form):
    first, second = images(), images()
    mixed = Mix()(form(first), form(second))
    assert all(part.is_leaf and part.requires_grad for part in mixed)
    shares = [((part - b) / (a - b)).detach().flatten(1)[:, 0] for part, a, b in zip(mixed, first, second, strict=True)]
    torch.testing.assert_close(shares[0], shares[1], rtol=1e-3, atol=1e-4)
    assert len(shares[0].round(decimals=4).unique()) == 6
    torch.manual_seed(1)
    alone = Mix()(first[0], second[0])
    torch.manual_seed(1)
    assert torch.equal(Mix()(first, second)[0], alone)


def test_leaf_noise_and_pack_take_lists():
    value = images()
    point = leaf(value)
    assert all(part.is_leaf and part.requires_grad for part in point)
    assert [part.shape for part in pack(value, count=3)] == [(2, 9, 4, 4), (2, 9, 8, 8)]
    assert torch.equal(pack(value, count=3)[1], pack(value[1], count=3))
    noisy = Noise(std=0.1)(value, 2.0)
    assert [(part - given).std().item() for part, given in zip(noisy, value, strict=True)] == pytest.approx(
        [0.2, 0.2], rel=0.2
    )
    still = Noise().eval()(value)
    assert all(torch.equal(part, given) for part, given in zip(still, value, strict=True))


@pytest.mark.parametrize(
    ("act", "text"),
    [
        (lambda: Mix()(images(), images()[0]), "mix needs values of one form .got a list of 2 and one value"),
        (lambda: Mix()(images(), images((4,))), "got a list of 2 and a list of 1"),
        (lambda: Mix()(images(), images((8, 4))), r"mix needs two values of one shape"),
        (lambda: leaf([torch.zeros(2, 3), torch.zeros(4, 3)]), r"the same examples .got 2, 4 of them"),
        (lambda: leaf([]), "leaf takes tensors, and lists of them .got an empty list"),
        (lambda: pack({"logits": torch.zeros(2, 3)}), "pack takes tensors, and lists of them .got dict"),
        (lambda: pack([torch.zeros(2, 3), torch.zeros(2)]), "got one number for each example"),
        (lambda: Noise()("x"), "noise takes tensors"),
    ],
)
def test_other_forms_are_refused(act, text):
    with pytest.raises(ComponentError, match=text):
        act()
