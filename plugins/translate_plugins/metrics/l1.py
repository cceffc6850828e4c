"""Mean absolute difference."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.metrics.checks import same_shape


def l1(of: Tensor, to: Tensor) -> Tensor:
    """Mean absolute difference of each image, in [0, 1]; smaller is better.

    Args:
        of: The output, N x C x H x W in [0, 1].
        to: The target, same shape.

    Shape:
        N.
    """
    same_shape("l1", of, to)
    return (of.float() - to.float()).abs().flatten(1).mean(1)
