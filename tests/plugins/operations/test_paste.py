"""Patches put into holes: every pixel, wherever the hole is; gradients; refusals."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.paste import paste


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def holes(corners, size, overlap, shape):
    """Masks that are white in the inner part of a hole at each corner."""
    mask = torch.full((len(corners), 1, *shape), -1.0)
    for n, (top, left) in enumerate(corners):
        mask[n, :, top + overlap : top + size - overlap, left + overlap : left + size - overlap] = 1.0
    return mask


@pytest.mark.parametrize(("size", "top", "left"), [((4, 6), 2, 2), ((8, 10), 0, 0), ((3, 5), 2, 2), ((1, 1), 3, 4)])
def test_without_a_mask_the_patch_lies_in_the_centre(size, top, left):
    patch, image = torch.randn(2, 3, *size), torch.randn(2, 3, 8, 10)
    expected = image.clone()
    expected[:, :, top : top + size[0], left : left + size[1]] = patch
    assert torch.equal(paste(patch, image), expected)


@pytest.mark.parametrize("overlap", [0, 1, 2])
def test_with_a_mask_it_lies_where_the_hole_is(overlap):
    corners = [(0, 0), (3, 7), (4, 0), (1, 2), (4, 8)]
    patch, image = torch.randn(5, 3, 6, 6), torch.randn(5, 3, 10, 14)
    mask = holes(corners, 6, overlap, (10, 14))
    expected = image.clone()
    inner = slice(overlap, 6 - overlap)
    for n, (top, left) in enumerate(corners):
        area = expected[n, :, top + overlap : top + 6 - overlap, left + overlap : left + 6 - overlap]
        area.copy_(patch[n, :, inner, inner])
    assert torch.equal(paste(patch, image, mask), expected)


def test_a_hole_in_the_centre_is_that_of_the_centre_form():
    patch, image = torch.randn(1, 3, 6, 6), torch.randn(1, 3, 12, 12)
    assert torch.equal(paste(patch, image, holes([(3, 3)], 6, 0, (12, 12))), paste(patch, image))


def test_without_a_hole_nothing_changes():
    patch, image = torch.randn(1, 3, 6, 6), torch.randn(1, 3, 12, 12)
    assert torch.equal(paste(patch, image, torch.full((1, 1, 12, 12), -1.0)), image)


def test_what_cannot_be_seen_has_no_gradient():
    patch, image = torch.randn(2, 3, 6, 6, requires_grad=True), torch.randn(2, 3, 10, 14, requires_grad=True)
    mask = holes([(0, 3), (4, 8)], 6, 1, (10, 14))
    result = paste(patch, image, mask)
    weights = torch.randn_like(result)
    (result * weights).sum().backward()
    assert torch.equal(image.grad, torch.where(mask > 0, 0.0, weights))
    expected = torch.zeros_like(patch)
    expected[0, :, 1:5, 1:5] = weights[0, :, 1:5, 4:8]
    expected[1, :, 1:5, 1:5] = weights[1, :, 5:9, 9:13]
    assert torch.equal(patch.grad, expected)


def test_the_centre_form_has_the_gradient_of_each_part():
    patch, image = torch.randn(1, 1, 2, 2, requires_grad=True), torch.randn(1, 1, 4, 4, requires_grad=True)
    paste(patch, image).sum().backward()
    assert (patch.grad == 1).all()
    assert image.grad.sum() == 12
    assert (image.grad[..., 1:3, 1:3] == 0).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 8, 8)), "as many channels"),
        ((torch.zeros(1, 3), torch.zeros(1, 3)), "as many channels"),
        ((torch.zeros(1, 3, 4, 9), torch.zeros(1, 3, 8, 8)), r"1x3x4x9, is larger than the image, 1x3x8x8"),
        ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)), "one mask of one channel"),
        ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 4, 4)), "and the size of the image"),
        ((torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8), *[torch.zeros(1, 1, 8, 8)] * 2), "one mask"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(ComponentError, match=message):
        paste(*values)
