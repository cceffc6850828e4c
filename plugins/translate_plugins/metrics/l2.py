"""Mean squared difference."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.metrics.checks import same_shape


def l2(of: Tensor, to: Tensor) -> Tensor:
    """Mean squared difference of each image, in [0, 1]; smaller is better.

    Args:
        of: The output, N x C x H x W in [0, 1].
        to: The target, same shape.

    Shape:
        N.
    """
    same_shape("l2", of, to)
    return (of.float() - to.float()).square().flatten(1).mean(1)
