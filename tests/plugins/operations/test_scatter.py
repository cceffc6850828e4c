"""Points as a picture."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.scatter import scatter


def dark(picture):
    """Rows and columns of the pixels that are not white."""
    return (picture[0].amin(0) < 0.5).nonzero()


def test_a_point_is_a_dot_at_its_place_with_y_upwards():
    picture = scatter(torch.tensor([[1.0, -0.5]]), span=2.0, size=201)
    assert picture.shape == (1, 3, 201, 201)
    middle = dark(picture).double().mean(0)
    assert middle.tolist() == pytest.approx([125.0, 150.0], abs=0.1)  # 0.5 below the middle, 1 right of it


def test_a_dot_is_round():
    cover = 1 - scatter(torch.zeros(1, 2), size=101, dot=5.0, low=0.0)[0, 1]
    rows, columns = torch.meshgrid(torch.arange(101.0), torch.arange(101.0), indexing="ij")
    distance = ((rows - 50) ** 2 + (columns - 50) ** 2).sqrt()
    ring = cover[(distance - 5).abs() < 0.1]
    assert len(ring) >= 12
    assert ring.max() - ring.min() < 0.02


def test_no_point_gives_white_and_many_do_not_overflow():
    far = torch.full((3, 2), 9.0)
    assert (scatter(far) == 1).all()
    many = scatter(torch.zeros(500, 2), low=0.0)
    assert many.amin() >= 0
    assert many.amax() <= 1


def test_later_values_cover_earlier_ones():
    zero = torch.zeros(1, 2)
    alone, covered = scatter(zero, dot=9.0), scatter(zero, zero, dot=9.0)
    assert alone[0, :, 128, 128].std() < 0.1  # grey
    assert covered[0, 0, 128, 128] > covered[0, 1, 128, 128] + 0.8  # red
    only_red = scatter(torch.full((1, 2), 9.0), zero, dot=9.0)
    torch.testing.assert_close(only_red[0, :, 128, 128], covered[0, :, 128, 128], atol=0.01, rtol=0)


def test_the_range_is_the_one_of_the_pipeline():
    points = torch.rand(40, 2)
    assert torch.allclose(scatter(points, low=0.0), (scatter(points) + 1) / 2, atol=1e-6)


@pytest.mark.parametrize(
    "points", [(), (torch.zeros(4, 3),), (torch.zeros(4),), tuple(torch.zeros(1, 2) for _ in range(5))]
)
def test_what_cannot_be_drawn(points):
    with pytest.raises(ComponentError, match="scatter draws one to 4 values of two numbers each"):
        scatter(*points)
