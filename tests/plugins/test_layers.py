"""Pieces that the networks share."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate import Image, Label, Tensor, Vector
from translate.errors import ComponentError
from translate_plugins.layers import (
    Join,
    PixelNorm,
    ReflectionPad,
    initialise,
    joined_images,
    needs_bias,
    norm_layers,
    output_activation,
)


@pytest.mark.parametrize("size", [1, 3])
def test_reflection_equals_torchs_exactly_with_its_gradient(size):
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(2, 3, 7 + 2 * size, 5 + 2 * size, dtype=torch.float64)
    ours, torchs = ReflectionPad(size)(x), F.pad(y, [size] * 4, mode="reflect")
    assert torch.equal(ours, torchs)
    (ours * weights).sum().backward()
    (torchs * weights).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize(("low", "high", "kind"), [(-1.0, 1.0, nn.Tanh), (0.0, 1.0, nn.Sigmoid)])
def test_the_output_activation_follows_the_range(low, high, kind):
    assert isinstance(output_activation(Image(3, 8, 8, low, high), None), kind)


def test_an_output_activation_that_does_not_span_the_range_is_refused():
    with pytest.raises(ComponentError, match=r"'tanh'.*\[-1, 1\].*\[0, 1\].*write `output: sigmoid`"):
        output_activation(Image(3, 8, 8, 0.0, 1.0), "tanh")
    with pytest.raises(ComponentError, match=r"'sigmoid'.*write `output: tanh`"):
        output_activation(Image(3, 8, 8), "sigmoid")


def test_a_range_that_no_activation_spans_must_be_chosen():
    with pytest.raises(ComponentError, match=r"\[0, 255\].*output: linear"):
        output_activation(Image(3, 8, 8, 0.0, 255.0), None)
    assert isinstance(output_activation(Image(3, 8, 8, 0.0, 255.0), "linear"), nn.Identity)


def test_inputs_of_every_kind_are_joined_on_their_channels():
    joined, height, width = joined_images("x", [Image(3, 8, 16), Tensor((4, 8, 16)), Vector(2), Label(5)])
    assert (joined.channels, height, width) == (14, 8, 16)
    image, maps, vector = torch.randn(2, 3, 8, 16), torch.randn(2, 4, 8, 16), torch.randn(2, 2)
    found = joined(image, maps, vector, torch.tensor([4, 0]))
    assert torch.equal(found[:, :3], image)
    assert torch.equal(found[:, 3:7], maps)
    assert torch.equal(found[:, 7:9, 3, 5], vector)
    assert found[:, 9:, 7, 0].tolist() == [[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]


def test_without_an_image_vectors_and_labels_are_joined_as_vectors():
    joined = Join("x", [Vector(2), Label(3)], images=False)
    assert (joined.channels, joined.size) == (5, None)
    assert joined(torch.tensor([[7.0, 8.0]]), torch.tensor([1])).tolist() == [[7, 8, 0, 1, 0]]


def test_flat_inputs_are_joined_as_vectors_whatever_their_sizes():
    joined = Join("x", [Image(3, 2, 2), Label(3), Image(1, 4, 1), Vector(2)], images=False, flat=True)
    assert (joined.channels, joined.size) == (12 + 3 + 4 + 2, None)
    image, other, vector = torch.randn(2, 3, 2, 2), torch.randn(2, 1, 4, 1), torch.randn(2, 2)
    found = joined(image, torch.tensor([2, 0]), other, vector)
    assert torch.equal(found[:, :12], image.flatten(1))
    assert found[:, 12:15].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert torch.equal(found[:, 15:], torch.cat([other.flatten(1), vector], 1))
    alone = Join("x", [Image(3, 2, 2)], images=False, flat=True)
    assert torch.equal(alone(image), image.flatten(1))


def test_a_single_input_passes_as_it_is():
    value = torch.randn(1, 3, 4, 4)
    assert Join("x", [Image(3, 4, 4)])(value) is value


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "at least one image"),
        ([Vector(10), Label(2)], r"at least one image \(got Vector\(10\), Label\(2\)\)"),
        ([Image(3, 8, 8), Tensor((2, 3))], r"input 2 is Tensor\(2x3\)"),
        ([Image(3, 8, 8), Image(3, 8, 16)], r"8x8, 8x16.*resize"),
    ],
)
def test_inputs_that_cannot_be_joined_are_refused(inputs, message):
    with pytest.raises(ComponentError, match=message):
        Join("x", inputs)
    with pytest.raises(ComponentError, match=r"at least one input \(got none\)"):
        Join("x", [], images=False)


def test_initial_weights_have_the_stated_law():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(64, 64, 4),
        nn.BatchNorm2d(4096),
        nn.ConvTranspose2d(64, 64, 4),
        nn.Linear(300, 300),
        nn.GroupNorm(1, 4096),
        nn.BatchNorm1d(4096),
    )
    initialise(network, 0.02)
    for module in network:
        centre = 1.0 if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm) else 0.0
        assert module.weight.mean().item() == pytest.approx(centre, abs=0.001)
        assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert module.bias.abs().max() == 0


@pytest.mark.parametrize("norm", ["batch", "instance", "layer", "none"])
def test_a_bias_is_left_out_only_where_the_norm_cancels_it(norm):
    x = torch.randn(2, 3, 4, 4)
    shift = torch.tensor([1.0, -2.0, 3.0]).view(1, 3, 1, 1)
    block = nn.Sequential(*norm_layers(norm, 3))
    cancelled = torch.allclose(block(x), block(x + shift), atol=1e-5)
    assert cancelled != needs_bias(norm)


@pytest.mark.parametrize("shape", [(4, 16, 5, 3), (4, 16)])
def test_pixel_norm_gives_each_pixel_a_mean_square_of_one(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 7 + 3
    torch.testing.assert_close(PixelNorm()(x).square().mean(1), torch.ones(shape[0], *shape[2:]))
    torch.testing.assert_close(PixelNorm()(x), x / torch.linalg.vector_norm(x, dim=1, keepdim=True) * 4)


def test_pixel_norm_of_nothing_is_nothing_and_half_precision_stays():
    zeros = torch.zeros(2, 8, 3, 3, requires_grad=True)
    PixelNorm()(zeros).sum().backward()
    assert not PixelNorm()(zeros).any()
    assert torch.isfinite(zeros.grad).all()
    big = torch.full((1, 8, 2, 2), 3e4, dtype=torch.float16)
    assert torch.equal(PixelNorm()(big), torch.ones_like(big))
