"""Spectral normalisation, attached to any network by the pipeline."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

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
