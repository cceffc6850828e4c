"""Sum of values."""

from __future__ import annotations

from functools import reduce
from operator import add as plus

from torch import Tensor

from translate.errors import ComponentError


def add(*values: Tensor) -> Tensor:
    """Add values of one shape, as a residual to an image or the steps of a canvas.

    The range of a sum is not that of its parts; nothing is clamped.

    Args:
        *values: One or more tensors of one shape.

    Shape:
        N x ... -> same.

    Raises:
        ComponentError: Nothing to add, or different shapes.
    """
    # Compared one by one: sizes that the exporter traces as symbols cannot be put into a set.
    if not values or any(value.shape != values[0].shape for value in values):
        shapes = ", ".join("x".join(map(str, value.shape)) for value in values) or "nothing"
        raise ComponentError(
            f"add takes values of one shape (got {shapes})", fix="bring images to one size with resize(...)"
        )
    return reduce(plus, values)
