"""Mean absolute difference."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.nested import Nested, NestedOrNone, paired_total


def l1(of: Nested, to: Nested, weights: NestedOrNone = None) -> Tensor:
    """Mean absolute difference, as in pix2pix (Isola et al. 2016, arXiv 1611.07004, equation 3; weight 100 there).

    The mean is over all elements of a tensor; nested tensors are summed, so that it can compare lists of features.
    With weights it is sum(w d) / sum(w) over all elements of the batch that one process sees at once: a mask of 0 and 1
    leaves out what is 0, and where nothing is left the loss is 0.

    Args:
        of: What is measured.
        to: What it should be; same shape.
        weights: Weight of each element, not negative: the same shape, or one channel for all (N x 1 x H x W).

    Returns:
        A 0-d float32 tensor.

    Raises:
        ComponentError: The shapes differ, or the weights' does not fit.
    """
    return paired_total(of, to, lambda a, b: (a - b).abs(), weights)
