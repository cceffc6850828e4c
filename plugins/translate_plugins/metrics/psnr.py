"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from translate_plugins.metrics.checks import same_shape

LIMIT: Final = 100.0


def psnr(of: Tensor, to: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, -10 log10 of the mean squared error; larger is better.

    At most 100 dB, which equal images have: the infinity of the formula would swallow the mean over a set.

    Args:
        of: The output, N x C x H x W in [0, 1].
        to: The target, same shape.

    Shape:
        N.
    """
    same_shape("psnr", of, to)
    error = (of.float() - to.float()).square().flatten(1).mean(1)
    return (-10 * torch.log10(error)).clamp(max=LIMIT)
