"""A point at which a gradient can be taken."""

from __future__ import annotations

from torch import Tensor

from translate import marked


@marked(makes_leaf=True)
def leaf(value: Tensor, /) -> Tensor:
    """The same values, cut from their history, with a gradient of their own: the input of an R1 penalty.

    Args:
        value: Any floating-point tensor.
    """
    return value.detach().requires_grad_()
