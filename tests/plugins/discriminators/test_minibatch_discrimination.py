"""Minibatch discrimination: the invariants of the definition, and that it learns with the discriminator."""

from __future__ import annotations

import math

import pytest
import torch

from translate import Image, Label, Vector
from translate.errors import ComponentError, PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset
from translate_plugins.discriminators.minibatch_discrimination import minibatch_discrimination

IN_MIXTURE = [
    "networks.trunk={discriminator: stack, layers: [fc16 leaky]}",
    "networks.M={discriminator: minibatch_discrimination, kernels: 6, size: 3}",
    "losses.adversarial.real=D(M(trunk(point)))",
    "losses.adversarial.fake=D(M(trunk(fake)))",
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_equal_examples_give_their_number_minus_one():
    network = minibatch_discrimination(Vector(4), kernels=7, size=3)
    result = network(torch.randn(1, 4).expand(5, -1))
    assert result.shape == (5, 11)
    assert torch.equal(result[:, 4:], torch.full((5, 7), 4.0))


def test_far_examples_give_nothing():
    network = minibatch_discrimination(Vector(4), kernels=7, size=3)
    assert network(1e4 * torch.randn(5, 4))[:, 4:].abs().max() < 1e-6


def test_by_the_definition():
    network = minibatch_discrimination(Vector(4), kernels=3, size=2)
    x = torch.randn(5, 4)
    result = network(x).detach()
    assert torch.equal(result[:, :4], x)
    t = network.weight.detach().view(4, 3, 2)
    for i in range(5):
        for b in range(3):
            others = [math.exp(-float((x[i] @ t[:, b] - x[j] @ t[:, b]).abs().sum())) for j in range(5) if j != i]
            assert float(result[i, 4 + b]) == pytest.approx(sum(others), rel=1e-4)


def test_it_follows_a_permutation_of_the_batch():
    network = minibatch_discrimination(Vector(4), kernels=3, size=2)
    x, order = torch.randn(6, 4), torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(network(x)[order], network(x[order]))


def test_images_get_maps_of_one_value():
    network = minibatch_discrimination(Image(3, 4, 4), Vector(2), Label(5), kernels=6)
    result = network(torch.randn(2, 3, 4, 4), torch.randn(2, 2), torch.tensor([0, 4]))
    assert result.shape == (2, 3 + 2 + 5 + 6, 4, 4)
    maps = result[:, 10:].flatten(2)
    assert torch.equal(maps, maps[..., :1].expand_as(maps))


def test_distances_start_near_one():
    network = minibatch_discrimination(Vector(500))
    x = torch.randn(64, 500)
    projected = (x @ network.weight.detach()).view(64, 100, 5)
    distances = (projected[:, None] - projected[None]).abs().sum(3)
    assert 0.5 < distances[~torch.eye(64, dtype=torch.bool)].mean() < 2


def test_second_derivatives_for_penalties_exist():
    network = minibatch_discrimination(Vector(4), kernels=3, size=2).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,))
    assert torch.autograd.gradgradcheck(network, (x,))


def test_a_t_that_no_machine_holds_is_refused():
    with pytest.raises(ComponentError, match="of 786432 features would have 393216000 weights"):
        minibatch_discrimination(Image(3, 512, 512))


def test_it_learns_on_the_side_of_the_discriminators():
    pipeline = load_pipeline("mixture", IN_MIXTURE)
    game = check(pipeline, open_dataset(pipeline).fields)
    turns = pipeline.phases[0].turns
    assert set(turns["discriminators"].learn) == {"D", "M", "trunk"}
    assert turns["generators"].learn == ("G",)
    assert next(game.networks["D"].parameters()).shape == (128, 16 + 6)


def test_a_batch_of_one_is_refused_before_training():
    pipeline = load_pipeline("mixture", [*IN_MIXTURE, "training.batch_size=1", "networks.G.layers=[fc8 relu, fc*]"])
    with pytest.raises(PipelineError, match="M needs 2 examples at once, and with this batch size a process sees 1"):
        check(pipeline, open_dataset(pipeline).fields)
