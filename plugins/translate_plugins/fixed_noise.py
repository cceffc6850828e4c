"""Gaussian noise that is a function of a seed and a place: what a network with noise has outside training."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from translate.hashing import INCREMENT, MASK, mix, mix_number


def fixed_noise(seed: int | Tensor, layer: int, like: Tensor) -> Tensor:
    """One map of N(0, 1) for each seed, the same on every device and in every ONNX runtime.

    Two hashes of (seed, layer, row, column) become uniform numbers, and these one normal number (Box and Muller 1958).
    The map of a larger picture begins like that of a smaller one.

    Args:
        seed: One for all examples, or one for each: N (or N x 1) whole numbers, of which the lowest 32 bits count.
        layer: Number of the layer, so that each has noise of its own.
        like: Maps that the noise is added to, N x C x H x W; gives height, width, type and device.

    Shape:
        N x 1 x H x W, or 1 x 1 x H x W for one seed.
    """
    height, width = like.shape[2:]
    rows = torch.arange(1, height + 1, dtype=torch.int64, device=like.device).reshape(-1, 1)
    columns = torch.arange(1, width + 1, dtype=torch.int64, device=like.device)
    state: int | Tensor
    if isinstance(seed, Tensor):
        state = mix(mix(seed.reshape(-1, 1, 1, 1).to(torch.int64) & MASK) ^ (layer + 1))
    else:
        state = mix_number(mix_number(int(seed) & MASK) ^ (layer + 1))
    first = mix((columns * INCREMENT + mix((rows * INCREMENT + state) & MASK)) & MASK)
    second = mix((first + INCREMENT) & MASK)
    radius = (-2.0 * _unit(first).log()).sqrt()
    noise = radius * (2.0 * math.pi * _unit(second)).cos()
    return noise.reshape(-1, 1, height, width).to(like.dtype)


def _unit(bits: Tensor) -> Tensor:
    """32 bits as a number in (0, 1]."""
    return (bits.to(torch.float32) + 0.5) / 2.0**32
