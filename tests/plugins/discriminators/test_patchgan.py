"""Patch discriminator: sizes, receptive fields, layers, scales, features."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate import Image, Label
from translate.errors import ComponentError
from translate.testing import check_component
from translate_plugins.discriminators.patchgan import patchgan

PICTURE = Image(3, 256, 256)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(*inputs, **choices):
    with torch.device("meta"):
        return patchgan(*inputs, **choices)


def layers_of(network):
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    return [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in convs]


@pytest.mark.parametrize(("field", "side"), [(1, 256), (16, 126), (70, 30), (286, 6)])
def test_the_output_at_256(field, side):
    network = on_meta(PICTURE, PICTURE, receptive_field=field)
    pictures = [torch.empty(1, 3, 256, 256, device="meta")] * 2
    assert network(*pictures).shape == (1, 1, side, side)


@pytest.mark.parametrize(("field", "size"), [(1, 16), (16, 64), (70, 256), (286, 768)])
def test_the_receptive_field_is_exact(field, size):
    network = patchgan(Image(1, size, size), receptive_field=field, width=2, norm="none", init_std=1.0).double()
    x = torch.randn(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    out = network(x)
    middle = out.shape[-1] // 2
    out[0, 0, middle, middle].backward()
    reached = x.grad[0, 0] != 0
    assert reached.any(0).sum() == field
    assert reached.any(1).sum() == field
    assert reached.sum() == field**2


def receptive_side(network, size):
    """Side of the square of input pixels that the middle output depends on."""
    x = torch.randn(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    out = network(x)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    return int((x.grad[0, 0] != 0).any(0).sum())


def is_pix2pixs(network):
    """Whether a discriminator of one-channel images of 256x256 has the paper's output and receptive field."""
    with torch.no_grad():
        shape = network(torch.zeros(1, 1, 256, 256, dtype=torch.float64)).shape
    return shape == (1, 1, 30, 30) and receptive_side(network, 256) == 70


def test_it_is_pix2pixs_and_the_well_known_mistaken_one_is_not():
    picture = Image(1, 256, 256)
    assert is_pix2pixs(patchgan(picture, width=2, norm="none", init_std=1.0).double())
    # Four halvings instead of three, as in widespread code: 16x16 cells of 94 pixels.
    widths = [1, 2, 4, 8, 16]
    layers = [
        layer for before, after in pairwise(widths) for layer in (nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(0.2))
    ]
    mistaken = nn.Sequential(*layers, nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(16, 1, 4, padding=1)).double()
    assert mistaken(torch.zeros(1, 1, 256, 256, dtype=torch.float64)).shape == (1, 1, 16, 16)
    assert receptive_side(mistaken, 256) == 94
    assert not is_pix2pixs(mistaken)


def test_one_pixel_changes_the_cells_whose_patch_holds_it():
    network = patchgan(Image(1, 256, 256), width=2, norm="none", init_std=1.0).double()
    x = torch.randn(1, 1, 256, 256, dtype=torch.float64)
    y = x.clone()
    y[0, 0, 128, 128] += 1
    changed = (network(x) != network(y))[0, 0]
    # Cell j sees the pixels 8 j - 23 to 8 j + 46: pixel 128 lies in the cells 11 to 18.
    cells = torch.zeros(30, 30, dtype=torch.bool)
    cells[11:19, 11:19] = True
    assert torch.equal(changed, cells)


@pytest.mark.parametrize(
    ("field", "layers"),
    [
        (1, [(6, 64, 1, 1), (64, 128, 1, 1), (128, 1, 1, 1)]),
        (16, [(6, 64, 4, 2), (64, 128, 4, 1), (128, 1, 4, 1)]),
        (70, [(6, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 1), (512, 1, 4, 1)]),
        (
            286,
            [
                (6, 64, 4, 2),
                (64, 128, 4, 2),
                (128, 256, 4, 2),
                (256, 512, 4, 2),
                (512, 512, 4, 2),
                (512, 512, 4, 1),
                (512, 1, 4, 1),
            ],
        ),
    ],
)
def test_the_layers_are_the_papers(field, layers):
    assert layers_of(on_meta(PICTURE, PICTURE, receptive_field=field)) == layers


def test_it_has_as_many_parameters_as_the_authors_network():
    # The authors' PyTorch code reports 2.769 M for the conditional discriminator.
    network = on_meta(PICTURE, PICTURE)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 3) == 2.769


@pytest.mark.parametrize("field", [1, 16, 70, 286])
def test_norm_stands_everywhere_but_at_the_first_and_last_convolution_and_no_sigmoid_ends_it(field):
    network = on_meta(PICTURE, receptive_field=field)
    kinds = [type(module) for module in network.layers]
    block = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU]
    middle = (len(kinds) - 3) // 3
    assert kinds == [nn.Conv2d, nn.LeakyReLU, *block * middle, nn.Conv2d]
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("norm", ["instance", "layer", "none"])
def test_without_batch_norm_examples_are_judged_alone(norm):
    network = patchgan(Image(3, 32, 32), width=4, norm=norm, init_std=0.2)
    x = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(network(x)[:1], network(x[:1]))


def test_with_batch_norm_they_are_not():
    network = patchgan(Image(3, 32, 32), width=4, init_std=0.2)
    x = torch.randn(3, 3, 32, 32)
    assert not torch.allclose(network(x)[:1], network(x[:1]), atol=1e-3)


@pytest.mark.parametrize("field", [1, 16, 70])
def test_dropout_follows_every_activation_and_without_it_nothing_is_there(field):
    kinds = [type(layer) for layer in layers_of(on_meta(PICTURE, receptive_field=field, dropout=0.4))]
    after = [kinds[place + 1] for place, kind in enumerate(kinds) if kind is nn.LeakyReLU]
    assert after == [nn.Dropout] * kinds.count(nn.LeakyReLU)
    plain = [type(layer) for layer in layers_of(on_meta(PICTURE, receptive_field=field))]
    assert [kind for kind in kinds if kind is not nn.Dropout] == plain


@pytest.mark.parametrize(("field", "smallest"), [(16, 6), (70, 24), (286, 96)])
def test_the_smallest_size_works_and_less_is_refused(field, smallest):
    network = on_meta(Image(1, smallest, smallest), receptive_field=field)
    assert network(torch.empty(2, 1, smallest, smallest, device="meta")).shape == (2, 1, 1, 1)
    with pytest.raises(ComponentError, match=f"receptive field {field} needs images of {smallest}x{smallest}"):
        on_meta(Image(1, smallest, smallest - 1), receptive_field=field)


def test_the_error_names_the_largest_field_that_fits():
    with pytest.raises(ComponentError, match="write `receptive_field: 16`"):
        patchgan(Image(1, 20, 20))


@pytest.mark.parametrize("field", [1, 16, 70])
def test_a_batch_trains_every_parameter(field):
    network = patchgan(Image(3, 32, 32), Image(1, 32, 32), receptive_field=field, width=4, init_std=0.2)
    network(torch.randn(2, 3, 32, 32), torch.randn(2, 1, 32, 32)).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


# ---- several scales, and features (pix2pixHD) ----


@pytest.mark.parametrize("scales", [1, 2, 3, 4])
def test_there_are_as_many_networks_as_scales_and_each_sees_half_the_size_of_the_one_before(scales):
    network = on_meta(PICTURE, PICTURE, scales=scales)
    firsts = [network.layers[0], *(layers[0] for layers in network.coarser)]
    seen = []
    for first in firsts:
        first.register_forward_hook(lambda _m, given, _o: seen.append(tuple(given[0].shape)))
    logits = network(*[torch.empty(2, 3, 256, 256, device="meta")] * 2)
    assert seen == [(2, 6, side, side) for side in (256, 128, 64, 32)[:scales]]
    sides = [each.shape[-1] for each in (logits if scales > 1 else [logits])]
    assert sides == [30, 14, 6, 2][:scales]
    assert len({id(parameter) for first in firsts for parameter in first.parameters()}) == 2 * scales


def test_every_scale_has_weights_of_its_own_and_the_same_form():
    network = patchgan(Image(3, 64, 64), scales=2, width=4)
    first, second = network.layers.state_dict(), network.coarser[0].state_dict()
    assert [(key, value.shape) for key, value in first.items()] == [(key, value.shape) for key, value in second.items()]
    assert not torch.equal(first["0.weight"], second["0.weight"])
    assert not {id(p) for p in network.layers.parameters()} & {id(p) for p in network.coarser.parameters()}


def test_a_halving_is_the_mean_of_nine_pixels_and_the_border_does_not_count():
    network = patchgan(Image(1, 8, 8), receptive_field=1, width=2, norm="none", scales=2)
    seen = []
    network.coarser[0][0].register_forward_hook(lambda _m, given, _o: seen.append(given[0]))
    x = torch.randn(1, 1, 7, 8)
    network(x)
    found = seen[0][0, 0]
    assert found.shape == (4, 4)
    by_hand = torch.stack(
        [
            torch.stack(
                [x[0, 0, max(0, 2 * i - 1) : 2 * i + 2, max(0, 2 * j - 1) : 2 * j + 2].mean() for j in range(4)]
            )
            for i in range(4)
        ]
    )
    torch.testing.assert_close(found, by_hand)
    network(torch.ones(1, 1, 8, 8))
    torch.testing.assert_close(seen[1], torch.ones(1, 1, 4, 4))


def test_the_scales_logits_are_those_of_single_networks():
    network = patchgan(Image(3, 64, 64), scales=2, width=4)
    single = patchgan(Image(3, 64, 64), width=4)
    x = torch.randn(2, 3, 64, 64)
    logits = network(x)
    single.layers.load_state_dict(network.layers.state_dict())
    assert torch.equal(logits[0], single(x))
    single.layers.load_state_dict(network.coarser[0].state_dict())
    assert torch.equal(logits[1], single(F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)))


def test_one_scale_without_features_keeps_its_names_and_bits():
    names = {name.split(".")[0] for name in patchgan(PICTURE).state_dict()}
    assert names == {"layers"}
    torch.manual_seed(3)
    plain = patchgan(Image(3, 64, 64), width=4)
    torch.manual_seed(3)
    with_features = patchgan(Image(3, 64, 64), width=4, features=True)
    x = torch.randn(2, 3, 64, 64)
    assert list(plain.state_dict()) == list(with_features.state_dict())
    assert torch.equal(plain(x), with_features(x)["logits"])


@pytest.mark.parametrize(("field", "count"), [(1, 2), (16, 2), (70, 4), (286, 6)])
def test_features_are_the_activations_before_the_last_convolution(field, count):
    network = on_meta(PICTURE, receptive_field=field, features=True)
    given = []
    for module in network.layers:
        if isinstance(module, nn.LeakyReLU):
            module.register_forward_hook(lambda _m, _i, out: given.append(out))
    judged = network(torch.empty(2, 3, 256, 256, device="meta"))
    assert len(judged["features"]) == count
    assert all(feature is each for feature, each in zip(judged["features"], given, strict=True))


def test_with_several_scales_the_features_are_a_list_for_each():
    judged = patchgan(Image(3, 96, 96), scales=3, width=4, features=True)(torch.randn(2, 3, 96, 96))
    assert [len(features) for features in judged["features"]] == [4, 4, 4]
    assert [features[0].shape[-1] for features in judged["features"]] == [48, 24, 12]
    assert [logits.shape[-1] for logits in judged["logits"]] == [10, 4, 1]


def test_features_of_a_perfect_fake_are_at_no_distance():
    network = patchgan(Image(3, 64, 64), Image(3, 64, 64), scales=2, width=4, features=True)
    source, real, other = torch.randn(3, 2, 3, 64, 64)

    def distance(fake):
        pairs = zip(network(source, real)["features"], network(source, fake)["features"], strict=True)
        return sum((a - b).abs().mean() for one, two in pairs for a, b in zip(one, two, strict=True))

    assert distance(real.clone()) == 0
    assert distance(other) > 0


@pytest.mark.parametrize(("field", "smallest"), [(16, 6), (70, 24), (286, 96)])
@pytest.mark.parametrize("scales", [2, 3, 4])
def test_the_smallest_size_for_several_scales_works_and_less_is_refused(field, smallest, scales):
    side = (smallest - 1) * 2 ** (scales - 1) + 1
    network = on_meta(Image(1, side, side), receptive_field=field, scales=scales)
    assert network(torch.empty(2, 1, side, side, device="meta"))[-1].shape == (2, 1, 1, 1)
    text = f"field {field} and {scales} scales needs images of {side}x{side} at least .*write `scales: {scales - 1}`"
    with pytest.raises(ComponentError, match=text):
        on_meta(Image(1, side - 1, side), receptive_field=field, scales=scales)


def test_every_scale_trains():
    network = patchgan(Image(3, 32, 32), Label(3), receptive_field=16, scales=3, width=4, init_std=0.2)
    logits = network(torch.randn(2, 3, 32, 32), torch.tensor([0, 2]))
    sum(each.square().sum() for each in logits).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


@pytest.mark.slow
def test_scales_and_features_conform_and_give_the_same_in_onnxruntime():
    check_component(
        "discriminator",
        "patchgan",
        inputs=[Image(3, 49, 50), Label(3)],
        choices={"scales": 2, "features": True, "width": 4, "norm": "instance"},
        onnx=True,
    )
