"""Product of values."""

from __future__ import annotations

from functools import reduce
from operator import mul

from torch import Tensor

from translate.errors import ComponentError


def multiply(*values: Tensor) -> Tensor:
    """Multiply values of one shape, element by element: noise or an image by the embedding of a label.

    So a label enters the conditional GANs that source 004 links to (Keras-GAN). The range of a product is not that of
    its parts; nothing is clamped.

    Args:
        *values: One or more tensors of one shape.

    Shape:
        N x ... -> same.

    Raises:
        ComponentError: Nothing to multiply, or different shapes.
    """
    # Compared one by one: sizes that the exporter traces as symbols cannot be put into a set.
    if not values or any(value.shape != values[0].shape for value in values):
        shapes = ", ".join("x".join(map(str, value.shape)) for value in values) or "nothing"
        raise ComponentError(
            f"multiply takes values of one shape (got {shapes})",
            fix="give an embedding the form of what it meets, as in `{generator: embedding, makes: z}`",
        )
    return reduce(mul, values)
