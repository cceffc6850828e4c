"""StyleGAN's synthesis network: sizes, styles, mixing, noise."""

from __future__ import annotations

import pytest
import torch

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate_plugins.fixed_noise import fixed_noise
from translate_plugins.generators.synthesis import StyledLayer, adain, synthesis
from translate_plugins.growing import doubled

W = Vector(6)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(size=16, **choices):
    return synthesis(W, W, makes=Image(3, size, size), **{"base": 32, **choices})


def with_noise(module):
    """Noise counts from the start."""
    for layer in module.layers:
        torch.nn.init.ones_(layer.noise_scale)
    return module


def seen_styles(module, *inputs, **more):
    """The style that each layer got."""
    seen = []
    hooks = [layer.register_forward_pre_hook(lambda _, args: seen.append(args[1])) for layer in module.layers]
    module(*inputs, **more)
    for hook in hooks:
        hook.remove()
    return seen


@pytest.mark.parametrize(("size", "layers"), [(4, 2), (8, 4), (32, 8), (64, 10)])
def test_two_layers_at_each_size(size, layers):
    made = network(size)
    assert len(made.layers) == layers
    assert made(torch.randn(2, 6)).shape == (2, 3, size, size)


def test_maps_are_those_of_the_authors():
    with torch.device("meta"):
        made = synthesis(Vector(512), makes=Image(3, 1024, 1024))
    maps = [len(layer.noise_scale) for layer in made.layers][::2]
    assert maps == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert len(made.layers) == 18


def test_adain_against_its_formula():
    x, scale, shift = torch.randn(2, 3, 5, 4).double(), torch.randn(2, 3).double(), torch.randn(2, 3).double()
    mean = x.mean((2, 3), keepdim=True)
    deviation = x.var((2, 3), unbiased=False, keepdim=True).sqrt()
    expected = scale[:, :, None, None] * (x - mean) / deviation + shift[:, :, None, None]
    torch.testing.assert_close(adain(x, scale, shift), expected, rtol=0, atol=1e-7)


def test_each_layer_of_each_example_takes_the_style_on_its_side_of_the_cut():
    made, (w, w2) = network(), torch.randn(2, 3, 6)
    seen = seen_styles(made, w, w2, torch.tensor([0, 3, 6]))
    for number, style in enumerate(seen):
        for example, cut in enumerate((0, 3, 6)):
            assert torch.equal(style[example], (w if number < cut else w2)[example])


@pytest.mark.parametrize("cut", [0, 3, 6, 19])
def test_a_cut_may_be_a_number_a_label_or_a_vector(cut):
    made, (w, w2) = network().double().eval(), torch.randn(2, 3, 6, dtype=torch.float64)
    expected = made(w, w2, torch.full((3,), cut))
    for given in (cut, float(cut), torch.full((3, 1), float(cut))):
        torch.testing.assert_close(made(w, w2, given), expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(made(w, w2, cut=given), expected, rtol=0, atol=1e-12)


def test_in_training_nine_of_ten_are_mixed_from_a_random_layer_on():
    made, (w, w2) = network(), torch.stack([torch.zeros(4000, 6), torch.ones(4000, 6)])
    firsts = torch.stack([style[:, 0] == 0 for style in seen_styles(made, w, w2)])  # layer x example
    cuts = firsts.sum(0)
    for number, first in enumerate(firsts):
        assert torch.equal(first, number < cuts)  # one place, from which on all layers take the second
    shares = torch.bincount(cuts, minlength=7) / 4000
    assert shares[0] == 0  # the first style always has a layer
    assert shares[6].item() == pytest.approx(0.1, abs=0.02)
    assert shares[1:6].tolist() == pytest.approx([0.9 / 5] * 5, abs=0.025)


def test_mixing_is_off_outside_training_and_with_probability_0():
    w, w2 = torch.randn(2, 3, 6)
    made = network().eval()
    assert torch.equal(made(w, w2), made(w))
    made = network(mixing=0.0)
    assert all(style is w for style in seen_styles(made, w, w2))


def test_noise_is_fresh_in_training_fixed_outside_and_asked_for_by_seed():
    made, w = with_noise(network()), torch.randn(2, 6)
    assert not torch.equal(made(w), made(w))
    assert torch.equal(made(w, noise=1), made(w, noise=1))
    made.eval()
    assert torch.equal(made(w), made(w, noise=0))
    assert not torch.equal(made(w), made(w, noise=1))
    each = made(w, noise=torch.tensor([0, 1]))
    assert torch.equal(each[0], made(w, noise=0)[0])
    assert torch.equal(each[1], made(w, noise=1)[1])


def test_noise_is_one_map_times_a_factor_of_each_channel():
    layer = StyledLayer(1, 2, 6)
    with torch.no_grad():
        layer.noise_scale.copy_(torch.tensor([0.0, 2.0]))
        layer.style.weight.zero_()
        layer.style.bias.zero_()
    maps = torch.ones(1, 2, 4, 4)
    result = layer(maps, torch.zeros(1, 6), 5)
    assert torch.equal(result[:, 0], torch.zeros(1, 4, 4))
    noisy = torch.nn.functional.leaky_relu(1 + 2 * fixed_noise(5, 1, maps), 0.2)
    torch.testing.assert_close(result[:, 1], adain(noisy, torch.ones(1, 1), torch.zeros(1, 1))[:, 0])


def test_an_example_does_not_depend_on_its_batch():
    made, w = with_noise(network()).double().eval(), torch.randn(3, 6, dtype=torch.float64)
    torch.testing.assert_close(made(w)[1:2], made(w[1:2]), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("inputs", "makes", "text"),
    [
        ([Image(3, 8, 8)], Image(3, 16, 16), "synthesis takes style codes, which are vectors"),
        ([Label(3)], Image(3, 16, 16), "synthesis takes style codes, which are vectors"),
        ([W, Vector(7)], Image(3, 16, 16), "style codes of one size"),
        ([W], Image(3, 24, 24), "synthesis works on squares of 4, 8, 16, 32 ... pixels \\(got 24x24\\)"),
        ([W], Image(3, 16, 32), "synthesis works on squares"),
        ([W], Image(3, 2, 2), "synthesis works on squares"),
        ([W], W, "synthesis makes images, but `makes` is Vector"),
    ],
)
def test_what_does_not_fit_is_refused(inputs, makes, text):
    with pytest.raises(ComponentError, match=text):
        synthesis(*inputs, makes=makes)


def test_a_stage_that_is_just_faded_in_is_the_one_before_repeated():
    made = with_noise(network(grows=True, output="linear")).eval().double()
    w = torch.randn(2, 6, dtype=torch.float64)
    for stage, side in enumerate((4, 8)):
        before, after = made(w, growth=stage), made(w, growth=stage + 1e-9)
        assert before.shape == (2, 3, side, side)
        torch.testing.assert_close(after, doubled(before), rtol=0, atol=1e-6)
    assert torch.equal(made(w, growth=2.0), made(w))
    expected = (doubled(made(w, growth=1.0)) + made(w, growth=2.0)) / 2
    torch.testing.assert_close(made(w, growth=1.5), expected, rtol=0, atol=1e-10)


def test_a_stage_that_stands_ignores_the_old_path_and_all_that_is_beyond():
    made = network(grows=True)
    made(torch.randn(2, 6), growth=1.0).sum().backward()
    reached = {name for name, parameter in made.named_parameters() if parameter.grad is not None}
    assert {name for name in reached if "to_image" in name} == {"to_image.x8.weight", "to_image.x8.bias"}
    assert not any(name.startswith(("layers.4", "layers.5", "convolutions.4")) for name in reached)


def test_styles_are_mixed_among_the_layers_that_are_there():
    made, (w, w2) = network(grows=True), torch.stack([torch.zeros(500, 6), torch.ones(500, 6)])
    seen = seen_styles(made, w, w2, growth=1.0)
    assert len(seen) == 4
    cuts = torch.stack([style[:, 0] == 0 for style in seen]).sum(0)
    assert set(cuts.tolist()) == {1, 2, 3, 4}


def test_a_growth_needs_a_network_that_grows():
    with pytest.raises(ComponentError, match="does not grow"):
        network()(torch.randn(2, 6), growth=1.0)


def test_a_cut_needs_two_styles():
    with pytest.raises(ComponentError, match="a cut needs a second style"):
        network()(torch.randn(2, 6), cut=3)
