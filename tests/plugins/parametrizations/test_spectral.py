"""Spectral normalisation, attached to any network by the pipeline."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from translate import Image, Vector
from translate.errors import ComponentError
from translate_plugins.discriminators.minibatch_discrimination import minibatch_discrimination
from translate_plugins.generators.draw import draw
from translate_plugins.parametrizations.spectral import spectral


def test_the_largest_singular_value_becomes_one():
    torch.manual_seed(0)
    network = spectral(nn.Sequential(nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 5)), iterations=5)
    for _ in range(20):
        network(torch.randn(2, 12))
    for layer in (network[0], network[2]):
        assert abs(torch.linalg.matrix_norm(layer.weight.detach(), 2).item() - 1) < 1e-4


def test_a_critic_of_such_layers_has_a_slope_of_one_at_most():
    torch.manual_seed(1)
    critic = spectral(nn.Sequential(nn.Linear(6, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)), iterations=10)
    for module in critic:
        for parameter in module.parameters():
            nn.init.normal_(parameter, 0.0, 3.0)
    critic.train()
    for _ in range(20):
        critic(torch.randn(2, 6))
    x = torch.randn(64, 6, requires_grad=True)
    slope = torch.autograd.grad(critic.eval()(x).sum(), x)[0].norm(dim=1)
    assert slope.max() <= 1 + 1e-4


def test_it_equals_the_definition_for_a_convolution():
    torch.manual_seed(2)
    layer = nn.Conv2d(3, 4, 3)
    weight = layer.weight.detach().clone()
    network = spectral(nn.Sequential(layer), iterations=50).eval()
    sigma = torch.linalg.matrix_norm(weight.flatten(1), 2)
    x = torch.randn(1, 3, 8, 8)
    for _ in range(5):
        network.train()(x)
    torch.testing.assert_close(network.eval()(x), F.conv2d(x, weight / sigma, layer.bias), rtol=1e-4, atol=1e-5)


IMAGE = Image(1, 6, 8, 0.0, 1.0)
OTHER_WEIGHTS = {
    "minibatch discrimination": lambda: minibatch_discrimination(Vector(6), kernels=4, size=3),
    "DRAW": lambda: draw(Vector(4), IMAGE, makes=IMAGE, glimpses=2, hidden=5),
    "bilinear": lambda: nn.Bilinear(3, 4, 5),
    "transposed in one dimension": lambda: nn.ConvTranspose1d(3, 4, 5),
}


@pytest.mark.parametrize("kind", OTHER_WEIGHTS)
def test_the_weights_of_other_layers_are_normalised_too(kind):
    torch.manual_seed(3)
    network = OTHER_WEIGHTS[kind]()
    wanted = {name for name, value in network.named_parameters() if value.ndim > 1} - {"canvas"}
    spectral(network, iterations=100)
    assert {name.replace("parametrizations.", "").removesuffix(".original") for name, _ in network.named_parameters()
            if name.endswith(".original")} == wanted  # fmt: skip
    for module in network.modules():
        for name in getattr(module, "parametrizations", {}):
            transposed = isinstance(module, nn.ConvTranspose1d)
            weight = getattr(module, name).detach()
            matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1)
            assert torch.linalg.matrix_norm(matrix, 2).item() == pytest.approx(1, abs=1e-3)


def test_a_weight_that_is_normalised_already_is_so_once_more():
    network = spectral(spectral(nn.Sequential(nn.Linear(4, 3))))
    assert len(network[0].parametrizations["weight"]) == 2


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_has_no_weights_or_some_that_cannot_be_reached_is_refused(device):
    with torch.device(device):
        with pytest.raises(ComponentError, match="spectral: this network has no weights"):
            spectral(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))
        with pytest.raises(ComponentError, match=r"not defined for all weights.*: 1\.weight_ih_l0, 1\.weight_hh_l0"):
            spectral(nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 4)))
