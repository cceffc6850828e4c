"""Residual generator of CycleGAN and pix2pixHD."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate_plugins.generators.resnet import Residual, resnet
from translate_plugins.layers import ReflectionPad, initialise

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


def written_out(width: int) -> nn.Module:
    """The network for three channels and one block as a plain list, to hold names, order of drawing and result."""

    def finished(conv: nn.Module) -> list[nn.Module]:
        return [conv, nn.InstanceNorm2d(conv.out_channels), nn.ReLU()]

    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.ReflectionPad2d(3),
                *finished(nn.Conv2d(3, width, 7, bias=False)),
                *finished(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False)),
                *finished(nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=False)),
                Block(4 * width),
                *finished(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, output_padding=1, bias=False)),
                *finished(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1, bias=False)),
                nn.ReflectionPad2d(3),
                nn.Conv2d(width, 3, 7),
                nn.Tanh(),
            )

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=False), nn.InstanceNorm2d(channels)]
            other = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=False), nn.InstanceNorm2d(channels)]
            self.layers = nn.Sequential(*half, nn.ReLU(), *other)

        def forward(self, x):
            return x + self.layers(x)

    return initialise(Plain(), 0.02)


def test_names_initial_weights_and_result_are_those_of_the_network_written_out():
    torch.manual_seed(7)
    expected = written_out(4)
    torch.manual_seed(7)
    network = resnet(SMALL, makes=SMALL, width=4, blocks=1)
    state = network.state_dict()
    assert list(state) == list(expected.state_dict())
    assert all(torch.equal(state[name], value) for name, value in expected.state_dict().items())
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(network(x), expected.layers(x))


def test_four_halvings_are_the_global_generator_of_pix2pixhd():
    labels, picture = Image(36, 256, 512), Image(3, 256, 512)
    network = on_meta(labels, makes=picture, halvings=4, blocks=9)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [m.out_channels for m in convs] == [64, 128, 256, 512, *[1024] * 19, 512, 256, 128, 64, 3]
    assert [m.stride[0] for m in convs] == [1, *[2] * 4, *[1] * 18, *[2] * 4, 1]
    assert network.size_divisor == 16
    assert network(torch.empty(1, 36, 256, 512, device="meta")).shape == (1, 3, 256, 512)
    # The authors' network is given as 182.5 M for the labels of Cityscapes, with the biases that we leave out.
    left_out = sum(m.out_channels for m in convs if m.bias is None)
    assert round((sum(p.numel() for p in network.parameters()) + left_out) / 1e6, 1) == 182.5


@pytest.mark.parametrize(("halvings", "smallest"), [(0, 4), (1, 4), (2, 8), (3, 16)])
def test_the_size_divisor_and_the_smallest_size_follow_the_halvings(halvings, smallest):
    picture = Image(3, smallest, smallest + 2**halvings)
    network = resnet(picture, makes=picture, width=2, blocks=1, halvings=halvings)
    assert network.size_divisor == 2**halvings
    assert network(torch.randn(1, *picture.shape)).shape == (1, *picture.shape)
    below = Image(3, smallest - 2**halvings, smallest)
    with pytest.raises(
        ComponentError, match=rf"at least {smallest} \(got {below.height}x{smallest}\).*fewer `halvings`"
    ):
        resnet(below, makes=below, width=2, halvings=halvings)


def test_dropout_stands_between_the_convolutions_of_every_residual_block_and_nowhere_else():
    network = on_meta(SMALL, makes=SMALL, blocks=3, dropout=0.5)
    blocks = [m for m in network.modules() if isinstance(m, Residual)]
    kinds = [nn.Conv2d, nn.InstanceNorm2d, nn.ReLU, nn.Dropout, nn.Conv2d, nn.InstanceNorm2d]
    assert all([type(m) for m in block.layers if not isinstance(m, ReflectionPad)] == kinds for block in blocks)
    dropped = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    assert dropped == [0.5] * 3
    assert not any(isinstance(m, nn.Dropout) for m in on_meta(SMALL, makes=SMALL, blocks=3).modules())


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


@pytest.mark.parametrize("norm", ["instance", "batch", "layer", "none"])
def test_a_label_and_a_vector_change_the_picture(norm):
    network = resnet(SMALL, Label(5), Vector(2), makes=SMALL, width=4, blocks=1, norm=norm, init_std=0.2)
    assert network.layers[1].in_channels == 3 + 5 + 2
    x, v = torch.randn(1, 3, 16, 16), torch.randn(1, 2)
    made = [network(x, torch.tensor([label]), v) for label in range(5)]
    assert all((made[one] - made[two]).abs().max() > 1e-2 for one in range(5) for two in range(one))
    assert (made[0] - network(x, torch.tensor([0]), v + 1)).abs().max() > 1e-2


def test_only_a_norm_that_would_cancel_a_label_is_left_out_of_the_first_block():
    def first(*inputs, norm):
        layers = on_meta(*inputs, makes=SMALL, norm=norm).layers
        return [type(layer) for layer in layers[1:4]], layers[1].bias is not None

    kinds = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d, "layer": nn.GroupNorm}
    for norm, kind in kinds.items():
        assert first(SMALL, SMALL, norm=norm) == ([nn.Conv2d, kind, nn.ReLU], norm == "layer")
    for norm in ("instance", "batch"):
        assert first(SMALL, Label(5), norm=norm) == ([nn.Conv2d, nn.ReLU, nn.Conv2d], True)
    assert first(SMALL, Vector(5), norm="layer") == ([nn.Conv2d, nn.GroupNorm, nn.ReLU], True)
