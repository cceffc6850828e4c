"""Mean squared difference."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.nested import Nested, paired_total


def l2(of: Nested, to: Nested) -> Tensor:
    """Mean squared difference, as in the context encoder (Pathak et al. 2016, arXiv 1604.07379, equation 1).

    The mean is over all elements of a tensor, where the paper has the sum; nested tensors are summed.

    Args:
        of: What is measured.
        to: What it should be; same shape.

    Returns:
        A 0-d float32 tensor.

    Raises:
        ComponentError: The shapes differ.
    """
    return paired_total(of, to, lambda a, b: (a - b).square())
