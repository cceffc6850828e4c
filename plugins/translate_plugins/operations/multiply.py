"""Product of values."""

from __future__ import annotations

from functools import reduce
from operator import mul

from torch import Tensor

from translate_plugins.operations.one_shape import of_one_shape


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
    fix = "give an embedding the form of what it meets, as in `{generator: embedding, makes: z}`"
    of_one_shape("multiply", values, fix=fix)
    return reduce(mul, values)
