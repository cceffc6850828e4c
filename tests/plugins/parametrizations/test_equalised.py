"""Equalised learning rate, attached to any network by the pipeline."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate import Label, Vector
from translate.errors import ComponentError
from translate.pipeline.inference_form import inference_networks
from translate.pipeline.settings import InferenceKeys
from translate_plugins.discriminators.minibatch_discrimination import minibatch_discrimination
from translate_plugins.generators.embedding import embedding
from translate_plugins.parametrizations.equalised import equalised

LAYERS = {
    "dense": (lambda: nn.Linear(64, 256), 64),
    "convolution": (lambda: nn.Conv2d(16, 64, 3), 16 * 9),
    "strided": (lambda: nn.Conv2d(16, 64, 4, 2), 16 * 16),
    "grouped": (lambda: nn.Conv2d(16, 64, 3, groups=2), 8 * 9),
    "transposed": (lambda: nn.ConvTranspose2d(32, 48, 4, 2, 1), 32 * 4),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("multiplier", [1.0, 0.01])
def test_stored_weights_are_standard_normal_and_effective_ones_have_hes_deviation(kind, multiplier):
    make, fan_in = LAYERS[kind]
    torch.manual_seed(0)
    layer = equalised(make(), lr_multiplier=multiplier)
    assert layer.parametrizations.weight.original.std().item() * multiplier == pytest.approx(1.0, abs=0.03)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03)
    assert not layer.bias.any()


def test_a_layer_gives_what_one_with_hes_initialisation_gives():
    torch.manual_seed(1)
    layer = equalised(nn.Conv2d(8, 16, 3, padding=1))
    torch.manual_seed(1)
    nn.Conv2d(8, 16, 3, padding=1)  # the draws of its constructor
    he = torch.randn(16, 8, 3, 3) * math.sqrt(2 / (8 * 9))
    x = torch.randn(4, 8, 6, 6)
    torch.testing.assert_close(layer(x), F.conv2d(x, he, padding=1))


@pytest.mark.parametrize("kind", ["dense", "convolution", "transposed"])
def test_the_size_of_the_features_is_kept(kind):
    torch.manual_seed(2)
    make, _ = LAYERS[kind]
    shape = (64, 64) if kind == "dense" else (16, 32 if kind == "transposed" else 16, 12, 12)
    x = torch.randn(shape)
    inside = equalised(make())(x) if kind == "dense" else equalised(make())(x)[..., 2:-2, 2:-2]
    assert inside.square().mean().item() == pytest.approx(2.0, rel=0.1)  # ReLU halves it again


def test_layers_of_any_width_move_equally_fast():
    """Adam's first step is the learning rate, whatever the gradient: relative to a weight's size it is the same."""
    torch.manual_seed(3)
    moved = {}
    for width in (4, 400):
        layer = equalised(nn.Linear(width, 50))
        before = layer.weight.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(torch.randn(8, width)).square().sum().backward()
        optimizer.step()
        moved[width] = ((layer.weight - before).abs().mean() / before.std()).item()
    assert moved[4] == pytest.approx(moved[400], rel=0.1)
    assert moved[400] == pytest.approx(0.01, rel=0.05)


def test_the_multiplier_slows_weights_and_biases_alike():
    torch.manual_seed(4)
    moved = {}
    for multiplier in (1.0, 0.01):
        layer = equalised(nn.Linear(30, 50), lr_multiplier=multiplier)
        weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(torch.randn(8, 30)).square().sum().backward()
        optimizer.step()
        moved[multiplier] = ((layer.weight - weight).abs().mean().item(), (layer.bias - bias).abs().mean().item())
    for slow, fast in zip(moved[0.01], moved[1.0], strict=True):
        assert slow == pytest.approx(0.01 * fast, rel=0.01)


def test_the_gain_is_a_choice():
    torch.manual_seed(5)
    layer = equalised(nn.Linear(100, 300), gain=1.0)
    assert layer.weight.std().item() == pytest.approx(0.1, rel=0.03)


def test_outside_training_the_weights_are_plain():
    network = equalised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2)), lr_multiplier=0.5)
    x = torch.randn(2, 3, 4, 4)
    plain = inference_networks({"G": network}, InferenceKeys())["G"]
    assert not any(nn.utils.parametrize.is_parametrized(part) for part in plain.modules())
    torch.testing.assert_close(plain(x), network(x))


def test_layers_without_bias_and_other_modules_are_left_alone():
    network = equalised(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    assert sorted(name for name, _ in network.named_parameters()) == [
        "0.parametrizations.weight.original",
        "1.bias",
        "1.weight",
    ]


@pytest.mark.parametrize(
    ("network", "left_out"),
    [
        (lambda: embedding(Label(3)), "table.weight"),
        (lambda: minibatch_discrimination(Vector(6)), "weight"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.LSTMCell(3, 4)), "1.weight_ih, 1.weight_hh"),
    ],
)
def test_weights_for_which_the_papers_have_no_constant_are_refused(network, left_out):
    with pytest.raises(ComponentError, match=f"equalised is not defined for all weights of this network: {left_out}"):
        equalised(network())


def test_what_has_no_weights_is_refused():
    with pytest.raises(ComponentError, match="equalised: this network has no weights"):
        equalised(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))
