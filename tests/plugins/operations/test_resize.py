"""Sides by a scale: exact, and open in an exported file."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from translate_plugins.operations.resize import resize


@pytest.mark.parametrize(
    ("side", "scale", "expected"),
    [(100, 0.29, 29), (30, 0.1, 3), (9, 1 / 3, 3), (10, 1 / 3, 3), (7, 0.5, 3), (7, 2.0, 14), (1000, 1.001, 1001)],
)
def test_sides_are_rounded_down_exactly(side: int, scale: float, expected: int) -> None:
    """In floating point 100 * 0.29 is 28.999..., which would be 28."""
    assert resize(torch.zeros(1, 1, side, side), scale=scale).shape[2:] == (expected, expected)


def test_sizes_stay_open_in_an_export() -> None:
    class Half(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return resize(image, scale=0.5)

    height, width = torch.export.Dim("height", min=4), torch.export.Dim("width", min=4)
    shapes = ({2: height, 3: width},)
    program = torch.export.export(
        Half(),
        (torch.zeros(1, 3, 32, 48),),
        dynamic_shapes=shapes,
        strict=False,
        prefer_deferred_runtime_asserts_over_guards=True,
    )
    for size in ((21, 19), (64, 10)):
        image = torch.rand(1, 3, *size)
        assert torch.equal(program.module()(image), resize(image, scale=0.5))
