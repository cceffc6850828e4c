"""A point at which a gradient can be taken."""

from __future__ import annotations

from translate import marked
from translate_plugins.operations.lists import Parts, each


@marked(makes_leaf=True, keeps_values=True)
def leaf(value: Parts, /) -> Parts:
    """The same values, cut from their history, with a gradient of their own: the input of an R1 penalty.

    Args:
        value: Any floating-point tensor, or a list of them.

    Raises:
        ComponentError: `value` is something else.
    """
    return each("leaf", lambda part: part.detach().requires_grad_(), value)
