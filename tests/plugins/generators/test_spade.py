"""SPADE: the normalisation's invariants, the layout of the blocks, and the whole against the formulas written out."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate import Image, Label, Tensor, Vector
from translate.errors import ComponentError
from translate_plugins.generators.spade import SPADEBlock, SPADENorm, block_plan, spade, subsampled
from translate_plugins.parametrizations.spectral import spectral

LABELS = Image(5, 32, 32)
PICTURE = Image(3, 32, 32)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(*inputs, **choices):
    with torch.device("meta"):
        return spade(*inputs, **choices)


def small(*inputs, **choices):
    return spade(*inputs, makes=PICTURE, **{"width": 2, "hidden": 4, "init_std": 0.2, **choices})


def segments(count: int, classes: int, size: int, cell: int) -> torch.Tensor:
    """One-hot maps of random squares."""
    labels = torch.randint(classes, (count, size // cell, size // cell))
    labels = labels.repeat_interleave(cell, 1).repeat_interleave(cell, 2)
    return F.one_hot(labels, classes).permute(0, 3, 1, 2).float()


# ---- the normalisation ----


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_without_modulation_it_is_the_plain_norm(norm):
    layer = SPADENorm(6, 5, norm=norm, hidden=4)
    for conv in (layer.gamma, layer.beta):
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    x = torch.randn(3, 6, 8, 8) * 5 + 2
    dims = (0, 2, 3) if norm == "batch" else (2, 3)
    mean, variance = x.mean(dims, keepdim=True), x.var(dims, keepdim=True, unbiased=False)
    plain = (x - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(layer(x, segments(3, 5, 8, 2)), plain)
    assert not list(layer.norm.parameters()), "the norm has no scale and shift of its own"


def test_scale_and_shift_are_read_from_the_map_alone_and_depend_on_the_place():
    layer = SPADENorm(6, 5, norm="instance", hidden=4)
    segmentation = segments(1, 5, 8, 4)
    zero = torch.zeros(1, 6, 8, 8)  # normalised it is zero: what is left is the shift
    shift = layer(zero, segmentation)
    torch.testing.assert_close(shift, layer.beta(layer.shared(segmentation)))
    assert shift.flatten(2).std(2).min() > 1e-4
    x = torch.randn(1, 6, 8, 8)
    scale = (layer(x, segmentation) - shift) / F.instance_norm(x)
    torch.testing.assert_close(scale, 1 + layer.gamma(layer.shared(segmentation)), rtol=1e-3, atol=1e-3)
    assert scale.flatten(2).std(2).min() > 1e-4


def test_another_class_in_one_region_changes_the_modulation_there_and_nowhere_else():
    layer = SPADENorm(6, 5, norm="instance", hidden=4)
    before = segments(1, 5, 16, 4)
    after = before.clone()
    after[:, :, 4:8, 8:12] = after[:, :, 4:8, 8:12].roll(1, dims=1)
    x = torch.randn(1, 6, 16, 16)
    changed = (layer(x, before) - layer(x, after)).abs().amax((0, 1)) > 0
    reach = torch.zeros(16, 16, dtype=torch.bool)
    reach[2:10, 6:14] = True  # two 3x3 convolutions see two pixels further
    assert not changed[~reach].any()
    assert changed[4:8, 8:12].all()


def test_a_block_has_a_learned_shortcut_only_where_the_channels_change():
    same, other = (SPADEBlock(8, after, 5, norm="instance", hidden=4) for after in (8, 4))
    assert not hasattr(same, "conv_s")
    assert (other.conv_s.in_channels, other.conv_s.out_channels, other.conv_s.kernel_size) == (8, 4, (1, 1))
    assert (other.conv_1.out_channels, other.conv_2.in_channels) == (4, 4), "the narrower of the two in between"
    for parameter in (same.conv_2.weight, same.conv_2.bias):
        nn.init.zeros_(parameter)
    x = torch.randn(2, 8, 8, 8)
    assert torch.equal(same(x, segments(2, 5, 8, 2)), x)


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_subsampling_is_nearest_resizing(factor):
    segmentation = torch.randn(2, 3, 16, 24)
    resized = F.interpolate(segmentation, size=(16 // factor, 24 // factor), mode="nearest")
    assert torch.equal(subsampled(segmentation, factor), resized)


# ---- the layout ----


@pytest.mark.parametrize(
    ("upsamplings", "plan"),
    [
        # The three layouts of the authors' code, then smaller ones.
        (5, [(0, 16), (1, 16), (0, 16), (1, 8), (1, 4), (1, 2), (1, 1)]),
        (6, [(0, 16), (1, 16), (1, 16), (1, 8), (1, 4), (1, 2), (1, 1)]),
        (7, [(0, 16), (1, 16), (1, 16), (1, 8), (1, 4), (1, 2), (1, 1), (1, 0.5)]),
        (4, [(0, 16), (0, 16), (0, 16), (1, 8), (1, 4), (1, 2), (1, 1)]),
        (2, [(0, 4), (0, 4), (0, 4), (1, 2), (1, 1)]),
        (0, [(0, 1), (0, 1), (0, 1)]),
    ],
)
def test_the_blocks_are_the_authors(upsamplings, plan):
    assert block_plan(64, upsamplings) == [(bool(doubles), int(64 * width)) for doubles, width in plan]


def test_the_width_never_vanishes():
    assert block_plan(1, 9)[-1] == (True, 1)


@pytest.mark.parametrize(
    ("height", "width", "upsamplings", "start"),
    [
        (256, 256, 5, (8, 8)),
        (256, 512, 5, (8, 16)),
        (512, 512, 6, (8, 8)),
        (1024, 1024, 7, (8, 8)),
        (128, 128, 4, (8, 8)),
        (32, 32, 2, (8, 8)),
        (28, 28, 2, (7, 7)),
        (96, 96, 4, (6, 6)),
        (30, 30, 1, (15, 15)),
    ],
)
def test_the_number_of_doublings_follows_the_size(height, width, upsamplings, start):
    network = on_meta(Image(5, height, width), makes=Image(3, height, width), width=4)
    shapes = []
    network.first.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[2:])))
    made = network(torch.empty(1, 5, height, width, device="meta"))
    assert made.shape == (1, 3, height, width)
    assert shapes == [start]
    assert network.size_divisor == 2**upsamplings


@pytest.mark.parametrize(("channels", "width", "millions"), [(36, 512, 93.0), (151, 256, 96.5), (184, 256, 97.5)])
def test_it_has_as_many_parameters_as_the_authors_network(channels, width, millions):
    # Published for Cityscapes, ADE20K and COCO-Stuff (labels with `unknown` and edges where there are instances).
    network = on_meta(Image(channels, 256, width), makes=Image(3, 256, width))
    left_out = sum(block.conv_1.out_channels for block in network.blocks)  # biases that a norm cancels
    assert round((sum(p.numel() for p in network.parameters()) + left_out) / 1e6, 1) == millions


# ---- the whole ----


def written_out(network: nn.Module, segmentation: torch.Tensor, norm: str) -> torch.Tensor:
    """The generator of the paper at three doublings, from the weights by name."""
    weights = network.state_dict()

    def conv(name, x, padding=1):
        return F.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), padding=padding)

    def normalised(name, x):
        dims = (0, 2, 3) if norm == "batch" else (2, 3)
        centred = x - x.mean(dims, keepdim=True)
        plain = centred / (centred.square().mean(dims, keepdim=True) + 1e-5).sqrt()
        read = F.relu(conv(f"{name}.shared.0", F.interpolate(segmentation, size=x.shape[2:], mode="nearest")))
        return plain * (1 + conv(f"{name}.gamma", read)) + conv(f"{name}.beta", read)

    def block(number, x):
        name = f"blocks.{number}"
        found = conv(f"{name}.conv_1", F.leaky_relu(normalised(f"{name}.norm_1", x), 0.2))
        found = conv(f"{name}.conv_2", F.leaky_relu(normalised(f"{name}.norm_2", found), 0.2))
        if f"{name}.conv_s.weight" in weights:
            x = conv(f"{name}.conv_s", normalised(f"{name}.norm_s", x), padding=0)
        return x + found

    x = conv("first", F.interpolate(segmentation, size=(4, 4), mode="nearest"))
    for number in range(3):
        x = block(number, x)
    for number in range(3, 6):
        x = block(number, x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    return torch.tanh(conv("last.1", F.leaky_relu(x, 0.2)))


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_it_is_the_paper_written_out(norm):
    network = small(LABELS, norm=norm, upsamplings=3)
    segmentation = segments(3, 5, 32, 4)
    made = network(segmentation)
    assert made.std() > 0.1
    torch.testing.assert_close(made, written_out(network, segmentation, norm), rtol=1e-4, atol=1e-5)


def test_with_a_vector_the_first_map_is_made_from_it():
    network = small(Vector(4), LABELS)
    segmentation, z = segments(2, 5, 32, 4), torch.randn(2, 4)
    assert isinstance(network.first, nn.Linear)
    assert network.first.out_features == 2 * 4 * 8 * 8
    one, two = network(z, segmentation), network(-z, segmentation)
    assert one.shape == (2, 3, 32, 32)
    assert (one - two).abs().max() > 1e-2
    assert (one - network(z, segmentation.flip(3))).abs().max() > 1e-2


def test_a_label_joins_the_vector_and_edges_join_the_map():
    network = small(LABELS, Vector(4), Tensor((1, 32, 32)), Label(3))
    assert network.first.in_features == 4 + 3
    assert network.blocks[0].norm_1.shared[0].in_channels == 5 + 1
    given = [segments(1, 5, 32, 4), torch.randn(1, 4), torch.zeros(1, 1, 32, 32)]
    network.eval()
    one, two = (network(*given, torch.tensor([label])) for label in (0, 2))
    assert (one - two).abs().max() > 1e-3
    given[2] = torch.ones(1, 1, 32, 32)
    assert (one - network(*given, torch.tensor([0]))).abs().max() > 1e-3


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("inputs", [(LABELS,), (LABELS, Vector(4))])
def test_a_batch_trains_every_parameter(norm, inputs):
    network = small(*inputs, norm=norm)
    values = [segments(2, 5, 32, 4), torch.randn(2, 4)][: len(inputs)]
    network(*values).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


def test_with_instance_norm_a_picture_does_not_depend_on_the_others():
    segmentation = segments(2, 5, 32, 4)
    network = small(LABELS, norm="instance")
    torch.testing.assert_close(network(segmentation)[:1], network(segmentation[:1]))
    other = small(LABELS, norm="batch")
    assert (other(segmentation)[:1] - other(segmentation[:1])).abs().max() > 1e-3


def test_the_picture_follows_the_size_of_the_map():
    network = small(LABELS).eval()
    assert network(torch.randn(1, 5, 48, 40)).shape == (1, 3, 48, 40)


def test_spectral_norm_bounds_every_weight_and_trains():
    network = spectral(small(LABELS), iterations=20)
    made = network(segments(2, 5, 32, 4))
    made.square().sum().backward()
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convs) == sum(isinstance(m, nn.Conv2d) for m in small(LABELS).modules())
    largest = [torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() for m in convs]
    assert largest == pytest.approx([1.0] * len(convs), rel=0.1)


@pytest.mark.parametrize("std", [0.02, 0.1])
def test_the_initial_weights_are_normal(std):
    network = spade(LABELS, makes=PICTURE, width=8, hidden=32, init_std=std)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    weights = torch.cat([m.weight.flatten() for m in layers])
    assert weights.std().item() == pytest.approx(std, rel=0.02)
    assert all(m.bias is None or (m.bias == 0).all() for m in layers)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: spade(Vector(4), makes=PICTURE), r"spade needs at least one image \(got Vector\(4\)\)"),
        (lambda: spade(LABELS, Image(1, 16, 16), makes=PICTURE), "32x32, 16x16.*resize"),
        (lambda: spade(LABELS, makes=Image(3, 64, 64)), "spade keeps the size of its input, 32x32"),
        (lambda: small(LABELS, upsamplings=6), "upsamplings is 6, but 32x32 can be halved 5 times.*`upsamplings: 5`"),
        (lambda: small(LABELS, upsamplings=5), "after 5 halvings nothing is left of 32x32"),
        (
            lambda: spade(Image(5, 100, 100), makes=Image(3, 100, 100)),
            "100x100 can be halved 2 times only; set `image_size` to a multiple of 16, or write `upsamplings: 2`",
        ),
        (lambda: small(LABELS, output="sigmoid"), "output is 'sigmoid'"),
    ],
)
def test_what_cannot_work_is_refused(build, message):
    with pytest.raises(ComponentError, match=message):
        build()


def test_a_size_that_is_halved_seldom_works_where_it_is_asked_for():
    network = on_meta(Image(5, 100, 100), makes=Image(3, 100, 100), upsamplings=2, width=2)
    assert network(torch.empty(1, 5, 100, 100, device="meta")).shape == (1, 3, 100, 100)
