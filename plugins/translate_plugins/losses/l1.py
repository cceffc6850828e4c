"""Mean absolute difference."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.nested import Nested, paired_total


def l1(of: Nested, to: Nested) -> Tensor:
    """Mean absolute difference, as in pix2pix (Isola et al. 2016, arXiv 1611.07004, equation 3; weight 100 there).

    The mean is over all elements of a tensor; nested tensors are summed, so that it can compare lists of features.

    Args:
        of: What is measured.
        to: What it should be; same shape.

    Returns:
        A 0-d float32 tensor.

    Raises:
        ComponentError: The shapes differ.
    """
    return paired_total(of, to, lambda a, b: (a - b).abs())
