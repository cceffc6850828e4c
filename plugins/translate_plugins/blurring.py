"""Blur by [1, 2, 1], and the resampling that StyleGAN makes of it: what the operation and the networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def blurred(x: Tensor) -> Tensor:
    """Weighted mean of 3 x 3 pixels by the outer product of [1, 2, 1] / 4; borders repeat their last pixel.

    Made of slices, concatenations and sums, whose gradients are the same in every run on CUDA; a padding by repetition
    and a bilinear resizing have gradients there that are not.

    Shape:
        N x C x H x W -> the same.
    """
    for dim in (2, 3):
        last = x.shape[dim] - 1
        before = torch.cat([x.narrow(dim, 0, 1), x.narrow(dim, 0, last)], dim)
        after = torch.cat([x.narrow(dim, 1, last), x.narrow(dim, last, 1)], dim)
        x = 0.25 * (before + after) + 0.5 * x
    return x


class Blur(nn.Module):
    """`blurred` as a layer.

    Behind a doubling by repetition it makes the doubling bilinear: the same numbers as
    `torch.nn.functional.interpolate(..., scale_factor=2, mode="bilinear")`. Before a halving by means it is the
    low-pass filter against aliasing (Karras et al. 2018, arXiv 1812.04948, section 2; Zhang 2019, arXiv 1904.11486).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Blur."""
        return blurred(x)
