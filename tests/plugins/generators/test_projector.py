"""The projector of CUT."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image, Tensor
from translate.errors import ComponentError
from translate.specs import Several
from translate_plugins.generators.projector import projector

PARTS = Several((Tensor((64, 3)), Tensor((64, 16)), Tensor((16, 32))))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def features(parts=PARTS, count=2):
    return [torch.randn(count, *part.shape, requires_grad=True) for part in parts.parts]


def test_there_is_one_network_of_two_layers_for_each_part():
    network = projector(PARTS)
    layers = [[(m.in_features, m.out_features) for m in part if isinstance(m, nn.Linear)] for part in network.layers]
    assert layers == [[(3, 256), (256, 256)], [(16, 256), (256, 256)], [(32, 256), (256, 256)]]
    assert all(isinstance(part[1], nn.ReLU) for part in network.layers)


def test_results_are_unit_vectors_of_the_chosen_size():
    made = projector(PARTS, size=20)(features())
    assert [tuple(part.shape) for part in made] == [(2, 64, 20), (2, 64, 20), (2, 16, 20)]
    for part in made:
        torch.testing.assert_close(part.norm(dim=2), torch.ones(part.shape[:2]))


def test_it_is_the_formula_at_each_patch():
    network, given = projector(PARTS, size=20, init_std=0.3), features()
    made = network(given)[1]
    first, _, second = network.layers[1]
    for example, patch in [(0, 0), (1, 63)]:
        hidden = (first.weight @ given[1][example, patch] + first.bias).clamp(min=0)
        vector = second.weight @ hidden + second.bias
        torch.testing.assert_close(made[example, patch], vector / vector.square().sum().sqrt())


def test_gradients_reach_every_parameter_and_every_feature():
    network, given = projector(PARTS, size=20), features()
    sum((part * torch.randn_like(part)).sum() for part in network(given)).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []
    assert all((value.grad.abs().sum(2) > 0).all() for value in given)


def test_features_of_zeros_give_neither_infinities_nor_none_in_the_gradient():
    network = projector(PARTS)
    given = [torch.zeros_like(value).requires_grad_() for value in features()]
    made = network(given)
    sum(part.sum() for part in made).backward()
    assert all(torch.isfinite(part).all() for part in made)
    assert all(torch.isfinite(value.grad).all() for value in given)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_norms_are_taken_in_float32_under_autocast():
    network, given = projector(PARTS), features()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = network(given)
    assert {part.dtype for part in made} == {torch.float32}
    assert max((part.norm(dim=2) - 1).abs().max().item() for part in made) < 1e-5


def test_the_initial_weights_are_the_authors():
    network = projector(PARTS)
    layers = [m for m in network.modules() if isinstance(m, nn.Linear)]
    weights = torch.cat([m.weight.flatten() for m in layers])
    assert weights.mean().item() == pytest.approx(0, abs=2e-4)
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert all((m.bias == 0).all() for m in layers)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Image(3, 8, 8), r"takes a list of features, but its input is Image.*F\(patches.first\)"),
        (Several((Tensor((64, 3)), Image(3, 8, 8))), "part 2 of its input is Image.*sample the maps first"),
    ],
)
def test_what_is_no_list_of_vectors_is_refused(given, message):
    with pytest.raises(ComponentError, match=message):
        projector(given)


def test_a_list_of_another_length_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        projector(PARTS)(features()[:2])
