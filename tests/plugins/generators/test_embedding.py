"""Learned vectors of labels: a table that is looked up, and which side it learns with."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate_plugins.generators.embedding import embedding

LABELS = torch.tensor([2, 0, 2, 3])


def test_it_gives_what_torchs_table_gives_bit_by_bit_and_the_same_gradient():
    network = embedding(Label(4), size=6)
    table = nn.Embedding(4, 6)
    table.weight.data.copy_(network.table.weight.data)
    assert torch.equal(network(LABELS), table(LABELS))
    for each in (network, table):
        (each(LABELS) * torch.arange(24.0).view(4, 6)).sum().backward()
    torch.testing.assert_close(network.table.weight.grad, table.weight.grad)


@pytest.mark.parametrize(
    ("choices", "shape"),
    [({}, (4,)), ({"size": 7}, (7,)), ({"makes": Vector(100)}, (100,)), ({"makes": Image(3, 8, 6)}, (3, 8, 6))],
)
def test_its_form_is_that_of_what_it_meets(choices, shape):
    assert embedding(Label(4), **choices)(LABELS).shape == (4, *shape)


def test_its_initial_values_are_standard_normal_or_as_asked():
    torch.manual_seed(0)
    assert embedding(Label(1000), size=100).table.weight.std().item() == pytest.approx(1.0, rel=0.01)
    assert embedding(Label(1000), size=100, init_std=0.05).table.weight.std().item() == pytest.approx(0.05, rel=0.01)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ComponentError, match=r"takes a label \(got Vector\(4\)\)"):
        embedding(Vector(4), size=3)
    with pytest.raises(ComponentError, match="`size` or `makes`, not both"):
        embedding(Label(4), size=3, makes=Vector(3))
    with pytest.raises(ComponentError, match=r"makes vectors and images, but `makes` is Label\(3\)"):
        embedding(Label(4), makes=Label(3))


def test_its_weights_can_be_parametrised():
    from translate_plugins.parametrizations.spectral import spectral

    network = spectral(embedding(Label(4), size=6), iterations=20).eval()
    assert torch.linalg.matrix_norm(network.table.weight, 2).item() == pytest.approx(1, rel=1e-3)
    assert torch.equal(network(LABELS), network.table.weight[LABELS])
