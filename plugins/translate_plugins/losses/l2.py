"""Mean squared difference."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.nested import Nested, NestedOrNone, paired_total


def l2(of: Nested, to: Nested, weights: NestedOrNone = None) -> Tensor:
    """Mean squared difference, as in the context encoder (Pathak et al. 2016, arXiv 1604.07379, equation 1).

    The mean is over all elements of a tensor, where the paper has the sum; nested tensors are summed. With weights it
    is sum(w d^2) / sum(w) over all elements of the batch that one process sees at once, and 0 where all weights are 0:
    a mask of 0 and 1 (the paper's masked loss), or `border(...)` (the heavier rim of its section 3.2).

    Args:
        of: What is measured.
        to: What it should be; same shape.
        weights: Weight of each element, not negative: the same shape, or one channel for all (N x 1 x H x W).

    Returns:
        A 0-d float32 tensor.

    Raises:
        ComponentError: The shapes differ, or the weights' does not fit.
    """
    return paired_total(of, to, lambda a, b: (a - b).square(), weights)
