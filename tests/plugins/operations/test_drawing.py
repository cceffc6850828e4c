"""Operations on pictures that have a plain meaning: edges, negative, rotation, boundaries, sums, weights, classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.operations.add import add
from translate_plugins.operations.border import border
from translate_plugins.operations.boundaries import boundaries
from translate_plugins.operations.edges import edges
from translate_plugins.operations.negative import negative
from translate_plugins.operations.one_hot import one_hot
from translate_plugins.operations.rotate import rotate
from translate_plugins.operations.to_classes import ToClasses


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_edges_of_a_dot_are_its_neighbours():
    image = torch.full((1, 1, 5, 5), -1.0)
    image[0, 0, 2, 2] = 1.0
    expected = torch.full((5, 5), -1.0)
    expected[1:4, 1:4] = 1.0
    expected[2, 2] = -1.0
    assert torch.equal(edges(image)[0, 0], expected)


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_edges_are_a_maximum_pooling_minus_the_image(low):
    image = torch.rand(2, 3, 7, 9) * (1 - low) + low
    found = edges(image, low=low)
    torch.testing.assert_close(found, F.max_pool2d(image, 3, stride=1, padding=1) - image + low)
    assert found.min() >= low
    assert found.max() <= 1


def test_the_gradient_of_edges_is_that_of_the_pooling():
    image = torch.randn(2, 3, 7, 9, dtype=torch.float64, requires_grad=True)
    other = image.detach().clone().requires_grad_()
    weights = torch.randn_like(image)
    (edges(image) * weights).sum().backward()
    ((F.max_pool2d(other, 3, stride=1, padding=1) - other) * weights).sum().backward()
    torch.testing.assert_close(image.grad, other.grad)


def test_negative_is_its_own_inverse():
    image = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(negative(image, low=0.0), 1 - image)
    assert torch.equal(negative(torch.tensor([-1.0, 0.25, 1.0])), torch.tensor([1.0, -0.25, -1.0]))
    torch.testing.assert_close(negative(negative(image)), image)


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3, 4, 5])
def test_rotate_is_numpys_counter_clockwise_turn(turns):
    image = torch.arange(24.0).view(1, 2, 3, 4)
    expected = np.rot90(image[0].permute(1, 2, 0).numpy(), turns)
    assert np.array_equal(rotate(image, turns=turns)[0].permute(1, 2, 0).numpy(), expected)


def test_rotate_once_brings_the_right_edge_up():
    image = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert rotate(image)[0, 0].tolist() == [[2.0, 4.0], [1.0, 3.0]]
    assert torch.equal(rotate(rotate(image), turns=3), image)


def test_boundaries_lie_on_both_sides_of_a_change():
    labels = torch.tensor([[[[0.0, 0, 0, 0], [0, 7, 7, 0], [0, 0, 0, 0]]]])
    expected = [[-1.0, 1, 1, -1], [1, 1, 1, 1], [-1, 1, 1, -1]]
    assert boundaries(labels)[0, 0].tolist() == expected
    assert boundaries(labels[:, 0].to(torch.int64))[0, 0].tolist() == expected


def neighbours_differ(labels, y, x):
    _, height, width = labels.shape
    near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return any((labels[:, y, x] != labels[:, i, j]).any() for i, j in near if 0 <= i < height and 0 <= j < width)


def test_boundaries_pixel_by_pixel():
    labels = torch.randint(0, 2, (3, 2, 6, 7)).float()
    found = boundaries(labels, low=0.0)
    assert found.shape == (3, 1, 6, 7)
    for n in range(3):
        expected = [[float(neighbours_differ(labels[n], y, x)) for x in range(7)] for y in range(6)]
        assert found[n, 0].tolist() == expected


def test_boundaries_of_one_region_and_of_one_pixel():
    assert (boundaries(torch.full((1, 3, 4, 4), 0.3)) == -1).all()
    assert boundaries(torch.zeros(1, 1, 1, 1)).item() == -1


def test_add():
    values = [torch.randn(2, 3) for _ in range(3)]
    torch.testing.assert_close(add(*values), values[0] + values[1] + values[2])
    assert torch.equal(add(values[0]), values[0])
    for wrong in ((), (torch.zeros(2, 3), torch.zeros(2, 1))):
        with pytest.raises(ComponentError, match="add takes values of one shape"):
            add(*wrong)


def test_border():
    found = border(torch.zeros(2, 3, 6, 7), width=2, weight=5.0)
    expected = torch.full((6, 7), 5.0)
    expected[2:4, 2:5] = 1.0
    assert found.shape == (2, 1, 6, 7)
    assert (found == expected).all()
    assert (border(torch.zeros(1, 1, 4, 4), width=0) == 1).all()
    assert (border(torch.zeros(1, 1, 4, 4), width=0) == 1).all()


def test_one_hot():
    found = one_hot(torch.tensor([2, 0]), classes=4)
    assert found.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0]]
    assert found.dtype == torch.float32
    for wrong in (torch.tensor([0.5]), torch.zeros(2, 3, dtype=torch.int64)):
        with pytest.raises(ComponentError, match=r"one_hot takes labels.*one_hot: false"):
            one_hot(wrong, classes=4)


PALETTE = [[0, 0, 0], [255, 0, 0], [0, 85, 255]]


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_to_classes_finds_the_colours_of_the_palette(low):
    classes = torch.tensor([[[0, 1, 2], [2, 2, 1]]])
    colours = torch.tensor(PALETTE, dtype=torch.float32)[classes].permute(0, 3, 1, 2)
    image = colours / 255 * (1 - low) + low
    found = ToClasses(palette=PALETTE, low=low)(image + 0.05 * torch.randn_like(image))
    assert found.shape == (1, 3, 2, 3)
    assert torch.equal(found.argmax(1), classes)
    assert torch.equal(found.sum(1), torch.ones(1, 2, 3))


def test_to_classes_takes_the_nearest_colour():
    palette = torch.rand(9, 3) * 255
    image = torch.rand(2, 3, 8, 8) * 2 - 1
    pixels = ((image + 1) / 2 * 255).permute(0, 2, 3, 1).reshape(-1, 3)
    expected = torch.cdist(pixels.double(), palette.double()).argmin(1).view(2, 8, 8)
    assert torch.equal(ToClasses(palette=palette.tolist())(image).argmax(1), expected)


def test_to_classes_of_grey_pictures_and_nothing_to_save():
    to_classes = ToClasses(palette=[[0], [255]])
    assert to_classes(torch.tensor([[[[-1.0, 0.9]]]])).flatten().tolist() == [1, 0, 0, 1]
    assert not to_classes.state_dict()


def test_to_classes_refuses_what_does_not_fit():
    with pytest.raises(ComponentError, match="have 1 and 3 numbers"):
        ToClasses(palette=[[0], [1, 2, 3]])
    with pytest.raises(ComponentError, match=r"as many channels as its palette, 3 \(got \(1, 1, 4, 4\)\)"):
        ToClasses(palette=PALETTE)(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ComponentError, match="low must be below high"):
        ToClasses(palette=PALETTE, low=1.0)


@pytest.mark.parametrize("operation", [edges, rotate, border])
def test_what_is_no_image_is_refused(operation):
    with pytest.raises(ComponentError, match=f"{operation.__name__} takes images"):
        operation(torch.zeros(2, 3))
    with pytest.raises(ComponentError, match="boundaries takes maps"):
        boundaries(torch.zeros(2, 3))
