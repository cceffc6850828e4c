"""Pieces of the residual generator: together they are the whole, and what they share is shared."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image, Label, Tensor, Vector
from translate.errors import ComponentError
from translate_plugins.generators.resnet import Residual, resnet
from translate_plugins.generators.resnet_pieces import residual_blocks, resnet_decoder, resnet_encoder

SMALL = Image(3, 16, 16)
MAP = Tensor((16, 4, 4))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(factory, *inputs, **choices):
    with torch.device("meta"):
        return factory(*inputs, **choices)


def map_of(channels: int, size: int) -> Image:
    return Image(channels, size, size, -torch.inf, torch.inf)


def in_pieces(whole: nn.Module, *pieces: nn.Module) -> None:
    """Give pieces, in their order, the weights of the whole: the layers follow one another."""
    layers = list(whole.layers)
    for piece in pieces:
        for own in piece.layers:
            own.load_state_dict(layers.pop(0).state_dict())
    assert not layers


@pytest.mark.parametrize("norm", ["instance", "batch", "layer", "none"])
@pytest.mark.parametrize(("halvings", "before", "after"), [(2, 3, 0), (2, 1, 2), (1, 0, 1), (3, 2, 1), (0, 1, 1)])
def test_encoder_and_decoder_are_the_whole(norm, halvings, before, after):
    choices = {"halvings": halvings, "norm": norm, "init_std": 0.2}
    whole = resnet(SMALL, makes=SMALL, width=4, blocks=before + after, **choices)
    encoder = resnet_encoder(SMALL, width=4, blocks=before, **choices)
    channels = 4 * 2**halvings
    decoder = resnet_decoder(map_of(channels, 16 // 2**halvings), makes=SMALL, blocks=after, **choices)
    in_pieces(whole, encoder, decoder)
    x = torch.randn(2, 3, 16, 16)
    made = whole(x)
    assert made.std() > 0.01
    assert torch.equal(decoder(encoder(x)), made)


def test_a_middle_of_its_own_and_a_last_convolution_of_its_own_are_the_whole_too():
    whole = resnet(SMALL, makes=SMALL, width=4, blocks=3, init_std=0.2)
    encoder = resnet_encoder(SMALL, width=4, blocks=1)
    middle = residual_blocks(map_of(16, 4), blocks=2)
    decoder = resnet_decoder(map_of(16, 4))
    last = resnet_decoder(map_of(4, 16), makes=SMALL, halvings=0)
    in_pieces(whole, encoder, middle, decoder, last)
    x = torch.randn(2, 3, 16, 16)
    features = decoder(middle(encoder(x)))
    assert features.shape == (2, 4, 16, 16)
    assert torch.equal(last(features), whole(x))


def test_dropout_is_the_wholes():
    whole = resnet(SMALL, makes=SMALL, width=4, blocks=3, dropout=0.5, init_std=0.2)
    pieces = [
        resnet_encoder(SMALL, width=4, blocks=1, dropout=0.5),
        residual_blocks(map_of(16, 4), blocks=1, dropout=0.5),
        resnet_decoder(map_of(16, 4), makes=SMALL, blocks=1, dropout=0.5),
    ]
    in_pieces(whole, *pieces)
    x = torch.randn(1, 3, 16, 16)
    torch.manual_seed(1)
    made = whole(x)
    assert not torch.equal(whole(x), made)
    torch.manual_seed(1)
    for piece in pieces:
        x = piece(x)
    assert torch.equal(x, made)


@pytest.mark.parametrize(("blocks", "channels"), [(0, []), (1, [256]), (2, [256] * 2), (9, [256] * 2)])
def test_features_are_the_input_the_halvings_and_the_first_and_last_block(blocks, channels):
    encoder = on_meta(resnet_encoder, Image(3, 64, 64), blocks=blocks, features=True)
    made = encoder(torch.empty(2, 3, 64, 64, device="meta"))
    assert list(made) == ["map", "features"]
    assert made["map"].shape == (2, 256, 16, 16)
    sizes = [(3, 64), (128, 32), (256, 16), *((each, 16) for each in channels)]
    assert [tuple(f.shape) for f in made["features"]] == [(2, c, size, size) for c, size in sizes]


def test_features_are_layers_0_4_8_12_and_16_of_the_authors_where_theirs_have_the_same_place():
    # The authors' list of layers, with their halvings as one entry more each: the blurred subsampling.
    encoder = resnet_encoder(SMALL, width=4, blocks=5, features=True, init_std=0.2)
    plain = resnet_encoder(SMALL, width=4, blocks=5)
    plain.load_state_dict(encoder.state_dict())
    theirs = ["pad", "conv", "norm", "relu"]
    for _ in range(2):
        theirs += ["conv", "norm", "relu", "blur"]
    theirs += ["block"] * 5
    seen, x = {}, torch.randn(2, 3, 16, 16)
    layers = iter(plain.layers)
    value = x
    for number, kind in enumerate(theirs):
        value = value if kind == "blur" else next(layers)(value)
        seen[number] = value
    made = encoder(x)
    assert torch.equal(made["features"][0], x)
    for feature, number in zip(made["features"][1:], [4, 8, 12, 16], strict=True):
        assert torch.equal(feature, seen[number])
    assert torch.equal(made["map"], plain(x))
    assert (made["features"][1] < 0).any(), "the halvings are read before the ReLU"


def test_reading_features_changes_neither_names_nor_weights():
    torch.manual_seed(3)
    plain = resnet_encoder(SMALL, width=4, blocks=2)
    torch.manual_seed(3)
    reading = resnet_encoder(SMALL, width=4, blocks=2, features=True)
    assert list(plain.state_dict()) == list(reading.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), reading.parameters(), strict=True))
    assert plain.size_divisor == reading.size_divisor == 4


def test_shared_blocks_sum_the_gradients_of_both_domains():
    one, two = (resnet_encoder(SMALL, width=2, init_std=0.2) for _ in range(2))
    shared = residual_blocks(map_of(8, 4), blocks=2, norm="none", init_std=0.2)
    pictures = torch.randn(2, 1, 3, 16, 16)

    def gradient(*maps):
        total = sum(shared(each).square().sum() for each in maps)
        return torch.cat([g.flatten() for g in torch.autograd.grad(total, list(shared.parameters()))])

    a, b = one(pictures[0]), two(pictures[1])
    torch.testing.assert_close(gradient(a, b), gradient(a) + gradient(b))
    assert shared(a).shape == a.shape


def test_features_of_a_coarse_generator_are_added_to_those_of_a_finer_encoder():
    """The two generators of pix2pixHD, by the authors' widths: 64 at half the size, 32 at the full size."""
    whole, half = Image(3, 256, 256), Image(3, 128, 128)
    coarse = on_meta(resnet_encoder, half, halvings=4, blocks=9)
    hand_over = on_meta(resnet_decoder, map_of(1024, 8), halvings=4)
    fine = on_meta(resnet_encoder, whole, width=32, halvings=1)
    refine = on_meta(resnet_decoder, map_of(64, 128), makes=whole, halvings=1, blocks=3)
    given = hand_over(coarse(torch.empty(1, 3, 128, 128, device="meta")))
    own = fine(torch.empty(1, 3, 256, 256, device="meta"))
    assert given.shape == own.shape == (1, 64, 128, 128)
    assert refine(given + own).shape == (1, 3, 256, 256)
    convs = [m for m in refine.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert [m.out_channels for m in convs] == [64] * 6 + [32, 3]


def test_the_coarse_features_are_what_the_last_convolution_sees():
    whole = resnet(SMALL, makes=SMALL, width=4, blocks=1, init_std=0.2)
    decoder = resnet_decoder(MAP, blocks=0)
    features = decoder(torch.randn(2, 16, 4, 4))
    assert features.min() == 0, "after a ReLU"
    assert [type(layer) for layer in decoder.layers] == [type(layer) for layer in whole.layers[11:17]]


def test_the_channels_of_a_decoder_halve_or_are_chosen():
    def channels(**choices):
        network = on_meta(resnet_decoder, Tensor((48, 4, 4)), **choices)
        return [m.out_channels for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]

    assert channels() == [24, 12]
    assert channels(halvings=4) == [24, 12, 6, 3]
    assert channels(width=10, halvings=3) == [40, 20, 10]
    assert channels(halvings=0, blocks=1) == []


def test_an_encoder_is_told_a_label_as_the_whole_is():
    whole = resnet(SMALL, Label(3), makes=SMALL, width=4, blocks=1, init_std=0.2)
    encoder = resnet_encoder(SMALL, Label(3), width=4, blocks=1)
    decoder = resnet_decoder(MAP, makes=SMALL)
    in_pieces(whole, encoder, decoder)
    x = torch.randn(1, 3, 16, 16)
    made = [decoder(encoder(x, torch.tensor([label]))) for label in range(3)]
    assert torch.equal(made[2], whole(x, torch.tensor([2])))
    assert (made[0] - made[1]).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("network", "spec"),
    [
        (lambda: resnet_encoder(SMALL, width=4, blocks=2, features=True, init_std=0.2), SMALL),
        (lambda: residual_blocks(MAP, blocks=2, init_std=0.2), MAP),
        (lambda: resnet_decoder(MAP, makes=SMALL, blocks=1, init_std=0.2), MAP),
        (lambda: resnet_decoder(MAP, init_std=0.2), MAP),
        (lambda: resnet_decoder(MAP, makes=Image(3, 4, 4), halvings=0, init_std=0.2), MAP),
    ],
)
def test_one_picture_trains_every_parameter(network, spec):
    network = network()
    made = network(torch.randn(1, *spec.shape))
    (made["map"] if isinstance(made, dict) else made).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


def test_the_number_of_blocks_is_the_choice():
    assert sum(isinstance(m, Residual) for m in on_meta(residual_blocks, MAP, blocks=4).modules()) == 4
    assert sum(isinstance(m, Residual) for m in on_meta(resnet_encoder, SMALL).modules()) == 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: resnet_encoder(Image(3, 18, 16)), r"resnet_encoder.*multiples of 4 and at least 8 \(got 18x16\)"),
        (lambda: resnet_encoder(Vector(3)), "resnet_encoder needs at least one image"),
        (lambda: residual_blocks(Vector(3), blocks=1), "residual_blocks needs at least one image"),
        (lambda: residual_blocks(Tensor((4, 1, 8)), blocks=1), r"residual_blocks.*at least 2x2 \(got 1x8\)"),
        (lambda: resnet_decoder(Label(3)), "resnet_decoder needs at least one image"),
        (lambda: resnet_decoder(Tensor((4, 1, 1))), r"resnet_decoder.*at least 2x2 \(got 1x1\)"),
        (lambda: resnet_decoder(Tensor((6, 4, 4))), "6 channels cannot be halved 2 times; write `width`"),
        (lambda: resnet_decoder(MAP, halvings=0), "nothing to do.*write `makes: target`"),
        (lambda: resnet_decoder(MAP, output="tanh"), "output is 'tanh', but without `makes`"),
        (lambda: resnet_decoder(MAP, halvings=0, makes=Image(3, 4, 4), width=8), "width is 8.*keeps its 16 channels"),
        (lambda: resnet_decoder(MAP, makes=Vector(3)), r"makes images, but `makes` is Vector\(3\)"),
        (lambda: resnet_decoder(MAP, makes=Image(3, 32, 32)), "makes 16x16 from a map of 4x4 by 2 doublings.*32x32"),
        (lambda: resnet_decoder(MAP, makes=SMALL, output="sigmoid"), "output is 'sigmoid'"),
        (lambda: resnet_decoder(Tensor((4, 3, 3)), halvings=0, makes=Image(3, 3, 3)), r"at least 4x4 \(got 3x3\)"),
    ],
)
def test_what_cannot_work_is_refused(build, message):
    with pytest.raises(ComponentError, match=message):
        build()
