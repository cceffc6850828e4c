"""Sum of values."""

from __future__ import annotations

from functools import reduce
from operator import add as plus

from torch import Tensor

from translate_plugins.operations.one_shape import of_one_shape


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
    of_one_shape("add", values, fix="bring images to one size with resize(...)")
    return reduce(plus, values)
