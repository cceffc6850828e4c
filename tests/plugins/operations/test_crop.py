"""Images without their border."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.border import border
from translate_plugins.operations.crop import crop


def test_the_inner_part_stays_where_it_was():
    image = torch.arange(2 * 3 * 6 * 8.0).reshape(2, 3, 6, 8)
    assert torch.equal(crop(image, border=2), image[:, :, 2:4, 2:6])
    assert torch.equal(crop(image, border=0), image)


def test_what_is_left_is_what_border_gives_the_weight_one():
    weights = border(torch.zeros(1, 3, 10, 12), width=3, weight=10.0)
    inner = crop(weights, border=3)
    assert (inner == 1).all()
    assert weights.sum() == inner.numel() + 10 * (weights.numel() - inner.numel())


@pytest.mark.parametrize("width", [3, 4])
def test_a_border_that_leaves_nothing_is_refused(width):
    image = torch.zeros(1, 1, 6, 9)
    with pytest.raises(ComponentError, match=f"crop by {width} on each side leaves nothing of 6x9"):
        crop(image, border=width)
    with pytest.raises(ComponentError, match=f"a border of {width} leaves nothing inside 6x9"):
        border(image, width=width)


def test_a_vector_is_refused():
    with pytest.raises(ComponentError, match="crop takes images"):
        crop(torch.zeros(2, 3), border=1)
