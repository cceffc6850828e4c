"""U-Net and encoder-decoder: the invariants of the paper."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image, Tensor
from translate.errors import ComponentError
from translate.pipeline.inference_form import FixedDropout, inference_networks
from translate.pipeline.settings import InferenceKeys
from translate_plugins.generators.unet import encoder_decoder, unet

PICTURE = Image(3, 256, 256)
SMALL = Image(3, 16, 16)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(factory, *inputs, **choices):
    with torch.device("meta"):
        return factory(*inputs, **choices)


def convolutions(blocks, attribute):
    kinds = nn.Conv2d | nn.ConvTranspose2d
    return [getattr(module, attribute) for module in blocks.modules() if isinstance(module, kinds)]


def has(block, kind):
    return any(isinstance(module, kind) for module in block)


def test_the_widths_are_the_papers():
    network = on_meta(unet, PICTURE, makes=PICTURE)
    assert convolutions(network.encoder, "out_channels") == [64, 128, 256, 512, 512, 512, 512, 512]
    assert convolutions(network.decoder, "in_channels") == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert set(convolutions(network, "kernel_size")) == {(4, 4)}
    assert set(convolutions(network, "stride")) == {(2, 2)}


def test_it_has_as_many_parameters_as_the_authors_network():
    # The authors' PyTorch code reports 54.414 M for its U-Net at 256.
    network = on_meta(unet, PICTURE, makes=PICTURE)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 3) == pytest.approx(
        54.414, abs=0.001
    )


def test_without_skips_the_widths_are_the_papers():
    network = on_meta(encoder_decoder, PICTURE, makes=PICTURE)
    assert convolutions(network.encoder, "out_channels") == [64, 128, 256, 512, 512, 512, 512, 512]
    assert convolutions(network.decoder, "in_channels") == [512, 512, 512, 512, 512, 256, 128, 64]


@pytest.mark.parametrize("factory", [unet, encoder_decoder])
def test_the_bottleneck_is_one_pixel_at_256_and_the_output_has_the_size_of_the_input(factory):
    network = on_meta(factory, PICTURE, makes=Image(1, 256, 256))
    shapes = []
    network.encoder[-1].register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape)))
    result = network(torch.empty(2, 3, 256, 256, device="meta"))
    assert shapes == [(2, 512, 1, 1)]
    assert result.shape == (2, 1, 256, 256)
    assert network.size_divisor == 256


def test_norm_stands_everywhere_but_at_the_first_the_innermost_and_the_last_block():
    network = on_meta(unet, PICTURE, makes=PICTURE)
    assert [has(block, nn.BatchNorm2d) for block in network.encoder] == [False, *[True] * 6, False]
    assert [has(block, nn.BatchNorm2d) for block in network.decoder] == [*[True] * 7, False]


def test_dropout_stands_in_the_first_three_decoder_blocks_and_nowhere_else():
    network = on_meta(unet, PICTURE, makes=PICTURE)
    assert [has(block, nn.Dropout) for block in network.decoder] == [True, True, True, *[False] * 5]
    assert not any(has(block, nn.Dropout) for block in network.encoder)
    assert {module.p for module in network.modules() if isinstance(module, nn.Dropout)} == {0.5}
    assert not any(isinstance(m, nn.Dropout) for m in on_meta(unet, PICTURE, makes=PICTURE, dropout=0).modules())


def test_dropout_makes_training_random_and_nothing_else_does():
    x = torch.randn(1, 3, 16, 16)
    network = unet(SMALL, makes=SMALL, width=4, init_std=0.5)
    assert not torch.equal(network(x), network(x))
    still = unet(SMALL, makes=SMALL, width=4, init_std=0.5, dropout=0)
    assert torch.equal(still(x), still(x))


def test_dropout_stays_at_test_time_where_the_pipeline_says_so():
    network = unet(SMALL, makes=SMALL, width=4, init_std=0.5)
    x = torch.randn(2, 3, 16, 16)
    on, off = (
        inference_networks({"G": network}, InferenceKeys(batch_norm="image", dropout=mode))["G"]
        for mode in ("on", "off")
    )
    masks = [[isinstance(module, FixedDropout) for module in block].count(True) for block in on.decoder]
    assert masks == [1, 1, 1, 0]
    assert not any(isinstance(module, FixedDropout | nn.Dropout) for module in off.modules())
    assert not torch.allclose(on(x), off(x), atol=1e-3)
    assert torch.equal(on(x), on(x))


def test_at_test_time_each_picture_is_normalised_by_its_own_statistics():
    # What the network does in training with a batch of one, as the paper tests.
    network = unet(SMALL, makes=SMALL, width=4, init_std=0.5, dropout=0)
    form = inference_networks({"G": network}, InferenceKeys(batch_norm="image"))["G"]
    x = torch.randn(3, 3, 16, 16)
    torch.testing.assert_close(form(x), torch.cat([network(picture[None]) for picture in x]))


def test_a_norm_at_the_bottleneck_would_erase_it_and_there_is_none():
    # The paper's erratum: one value per channel and example is its own mean.
    network = unet(SMALL, makes=SMALL, width=4, init_std=0.5, dropout=0)
    codes = []
    network.encoder[-1].register_forward_hook(lambda _m, _i, out: codes.append(out))
    x = torch.randn(2, 3, 16, 16)
    network(x)
    assert codes[0].shape[2:] == (1, 1)
    assert codes[0].std() > 0.1
    assert not torch.equal(codes[0][0], codes[0][1])


def test_the_graph_with_skips_is_another_than_without():
    # The same widths: only the decoder's inputs differ, and removing one skip connection breaks the network.
    with_skips, without = (on_meta(factory, PICTURE, makes=PICTURE) for factory in (unet, encoder_decoder))
    assert convolutions(with_skips.encoder, "out_channels") == convolutions(without.encoder, "out_channels")
    assert convolutions(with_skips.decoder, "out_channels") == convolutions(without.decoder, "out_channels")
    doubled = [2 * channels for channels in convolutions(without.decoder, "in_channels")[1:]]
    assert convolutions(with_skips.decoder, "in_channels")[1:] == doubled
    broken = unet(SMALL, makes=SMALL, width=4)
    broken.skips = False
    with pytest.raises(RuntimeError, match="channels"):
        broken(torch.randn(2, 3, 16, 16))


def test_activations_are_leaky_down_and_plain_up():
    network = on_meta(unet, PICTURE, makes=PICTURE)
    assert [has(block, nn.LeakyReLU) for block in network.encoder] == [False, *[True] * 7]
    slopes = {module.negative_slope for module in network.modules() if isinstance(module, nn.LeakyReLU)}
    assert slopes == {0.2}
    assert all(type(block[0]) is nn.ReLU for block in network.decoder)
    assert isinstance(network.decoder[-1][-1], nn.Tanh)


@pytest.mark.parametrize(("factory", "depends"), [(unet, True), (encoder_decoder, False)])
def test_only_skips_carry_the_picture_past_the_bottleneck(factory, depends):
    network = factory(SMALL, makes=SMALL, width=4, norm="none", dropout=0, init_std=0.5)
    network.encoder[-1].register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
    x = torch.randn(1, 3, 16, 16, requires_grad=True)
    network(x).sum().backward()
    reached = x.grad is not None and bool((x.grad != 0).any())
    assert reached is depends


def test_every_decoder_block_after_the_first_sees_the_encoder_of_its_size():
    network = unet(SMALL, makes=SMALL, width=4, norm="none", dropout=0)
    seen, made = [], []
    for block in network.encoder:
        block.register_forward_hook(lambda _m, _i, out: made.append(out))
    for block in network.decoder:
        block.register_forward_hook(lambda _m, given, _o: seen.append(given[0]))
    network(torch.randn(1, 3, 16, 16))
    for given, skip in zip(seen[1:], reversed(made[:-1]), strict=True):
        assert torch.equal(given[:, -skip.shape[1] :], skip)


def test_several_inputs_are_joined_and_each_matters():
    network = unet(SMALL, Tensor((2, 16, 16)), makes=SMALL, width=4)
    assert network.encoder[0][0].in_channels == 5
    inputs = [torch.randn(2, 3, 16, 16, requires_grad=True), torch.randn(2, 2, 16, 16, requires_grad=True)]
    network(*inputs).square().sum().backward()
    assert all((value.grad != 0).any() for value in inputs)


@pytest.mark.parametrize("factory", [unet, encoder_decoder])
@pytest.mark.parametrize("norm", ["batch", "instance", "layer", "none"])
def test_one_picture_trains_every_parameter(factory, norm):
    network = factory(SMALL, makes=SMALL, width=4, norm=norm, init_std=0.2)
    network(torch.randn(1, 3, 16, 16)).square().sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()]
    assert without == []


@pytest.mark.parametrize(
    ("height", "width", "depth"), [(256, 256, 8), (64, 64, 6), (28, 28, 2), (256, 512, 8), (96, 64, 5), (2, 2, 1)]
)
def test_the_depth_is_what_the_size_allows(height, width, depth):
    picture = Image(1, height, width)
    network = on_meta(unet, picture, makes=picture)
    assert len(network.encoder) == len(network.decoder) == depth
    assert network(torch.empty(2, 1, height, width, device="meta")).shape == (2, 1, height, width)


def test_an_explicit_depth_wins_and_a_shallow_bottleneck_has_no_norm_either():
    network = on_meta(unet, PICTURE, makes=PICTURE, depth=3)
    assert network.size_divisor == 8
    assert [has(block, nn.BatchNorm2d) for block in network.encoder] == [False, True, False]
    assert [has(block, nn.Dropout) for block in network.decoder] == [True, True, False]


def test_a_depth_beyond_the_size_is_refused_with_the_largest():
    with pytest.raises(ComponentError, match=r"depth is 5.*28x28.*2 times.*`depth: 2`.*multiple of 32"):
        unet(Image(1, 28, 28), makes=Image(1, 28, 28), depth=5)


def test_an_odd_size_is_refused():
    with pytest.raises(ComponentError, match="27x28 does not allow"):
        unet(Image(1, 27, 28), makes=Image(1, 27, 28))


def test_another_size_of_what_is_made_is_refused():
    with pytest.raises(ComponentError, match="encoder_decoder keeps the size of its input, 16x16"):
        encoder_decoder(SMALL, makes=Image(3, 32, 32))


def test_an_output_that_does_not_fit_is_refused():
    with pytest.raises(ComponentError, match="'tanh'"):
        unet(SMALL, makes=Image(3, 16, 16, 0.0, 1.0), output="tanh")


def test_the_width_is_limited():
    network = on_meta(unet, PICTURE, makes=PICTURE, width=4, max_width=6)
    assert convolutions(network.encoder, "out_channels") == [4, *[6] * 7]
    with pytest.raises(ComponentError, match="max_width is 3, less than width 4"):
        unet(SMALL, makes=SMALL, width=4, max_width=3)


def test_the_initial_weights_are_the_papers():
    network = unet(Image(3, 64, 64), makes=Image(3, 64, 64), width=16)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    weights = torch.cat([module.weight.flatten() for module in convs])
    scales = torch.cat([module.weight for module in network.modules() if isinstance(module, nn.BatchNorm2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert weights.mean().item() == pytest.approx(0, abs=1e-3)
    assert scales.mean().item() == pytest.approx(1, abs=0.01)
    assert scales.std().item() == pytest.approx(0.02, rel=0.2)
    assert all(module.bias is None or (module.bias == 0).all() for module in convs)
    other = unet(SMALL, makes=SMALL, width=16, init_std=0.1)
    assert other.encoder[2][1].weight.std().item() == pytest.approx(0.1, rel=0.05)
