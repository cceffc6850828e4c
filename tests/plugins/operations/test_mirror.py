"""Examples mirrored by a coin of their own."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.mirror import mirror

COIN = torch.tensor([[0.3], [-0.3], [0.0]])


def test_only_those_above_zero_are_mirrored_and_the_same_coin_mirrors_them_back():
    image = torch.rand(3, 2, 4, 5)
    found = mirror(image, COIN)
    assert torch.equal(found[0], image[0].flip(2))
    assert torch.equal(found[1:], image[1:])
    assert torch.equal(mirror(found, COIN), image)


def test_all_maps_of_a_list_are_mirrored_alike():
    maps = [torch.rand(3, 1, 4, 4), [torch.rand(3, 6, 2, 2)]]
    first, (second,) = mirror(maps, COIN)
    assert torch.equal(first[0], maps[0][0].flip(2))
    assert torch.equal(second[0], maps[1][0][0].flip(2))
    assert torch.equal(second[1:], maps[1][0][1:])


def test_gradients_come_back_to_where_they_belong():
    image = torch.rand(3, 1, 1, 4, requires_grad=True)
    (mirror(image, COIN) * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert image.grad[:, 0, 0].tolist() == [[4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("value", "coin", "what"),
    [
        (torch.rand(3, 5), COIN, "takes images"),
        (torch.rand(2, 1, 4, 4), COIN, "one number for each of 2 examples"),
        (torch.rand(3, 1, 4, 4), torch.rand(3, 2), r"one number for each of 3 examples \(got 3x2\)"),
        ([], COIN, "an empty list"),
    ],
)
def test_what_it_cannot_take_is_refused(value, coin, what):
    with pytest.raises(ComponentError, match=what):
        mirror(value, coin)
