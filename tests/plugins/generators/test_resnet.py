"""Residual generator of CycleGAN."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image
from translate.errors import ComponentError
from translate_plugins.generators.resnet import Residual, resnet
from translate_plugins.layers import ReflectionPad

SMALL = Image(3, 16, 16)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(*inputs, **choices):
    with torch.device("meta"):
        return resnet(*inputs, **choices)


@pytest.mark.parametrize(("height", "width", "blocks"), [(256, 256, 9), (128, 128, 6), (64, 64, 6), (128, 256, 9)])
def test_the_number_of_blocks_follows_the_size(height, width, blocks):
    picture = Image(3, height, width)
    network = on_meta(picture, makes=picture)
    assert sum(isinstance(module, Residual) for module in network.modules()) == blocks


def test_an_explicit_number_of_blocks_wins():
    network = on_meta(SMALL, makes=SMALL, blocks=2)
    assert sum(isinstance(module, Residual) for module in network.modules()) == 2


def test_the_layers_are_the_papers():
    picture = Image(3, 256, 256)
    network = on_meta(picture, makes=picture, blocks=1)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    rows = [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.padding[0]) for m in convs]
    assert rows == [
        (3, 64, 7, 1, 0),
        (64, 128, 3, 2, 1),
        (128, 256, 3, 2, 1),
        (256, 256, 3, 1, 0),
        (256, 256, 3, 1, 0),
        (256, 128, 3, 2, 1),
        (128, 64, 3, 2, 1),
        (64, 3, 7, 1, 0),
    ]
    assert [type(m) for m in convs[5:7]] == [nn.ConvTranspose2d] * 2
    assert [m.size for m in network.modules() if isinstance(m, ReflectionPad)] == [3, 1, 1, 3]
    assert sum(isinstance(m, nn.InstanceNorm2d) for m in network.modules()) == 7
    assert network(torch.empty(2, 3, 256, 256, device="meta")).shape == (2, 3, 256, 256)
    assert network.size_divisor == 4


def test_no_module_pads_with_torchs_reflection():
    network = on_meta(SMALL, makes=SMALL)
    assert not any(
        isinstance(m, nn.ReflectionPad2d) or getattr(m, "padding_mode", "zeros") != "zeros" for m in network.modules()
    )


def test_a_residual_block_without_weights_is_the_identity():
    block = Residual(4, "none")
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 4, 8, 8)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("norm", ["instance", "batch", "layer", "none"])
def test_one_picture_trains_every_parameter(norm):
    network = resnet(SMALL, SMALL, makes=SMALL, width=4, blocks=1, norm=norm, init_std=0.2)
    network(torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


def test_a_picture_does_not_depend_on_the_others_of_its_batch():
    network = resnet(SMALL, makes=SMALL, width=4, blocks=1)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))


@pytest.mark.parametrize(("height", "width"), [(30, 32), (32, 30), (4, 4)])
def test_a_size_that_does_not_divide_is_refused(height, width):
    with pytest.raises(ComponentError, match=f"multiples of 4 and at least 8.*{height}x{width}"):
        resnet(Image(3, height, width), makes=Image(3, height, width))


def test_the_smallest_size_works():
    picture = Image(1, 8, 8)
    network = resnet(picture, makes=picture, width=4)
    assert network(torch.zeros(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def test_the_output_fits_the_range():
    network = resnet(SMALL, makes=Image(3, 16, 16, 0.0, 1.0), width=4, blocks=0, init_std=1.0)
    result = network(torch.randn(2, 3, 16, 16))
    assert result.min() >= 0
    assert result.max() <= 1
    with pytest.raises(ComponentError, match="'sigmoid'"):
        resnet(SMALL, makes=SMALL, output="sigmoid")
