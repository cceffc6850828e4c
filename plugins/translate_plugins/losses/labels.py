"""The labels that adversarial losses compare a discriminator's outputs with."""

from __future__ import annotations

import torch
from torch import Tensor


def labels(outputs: Tensor, label: float, noise: float = 0.0) -> Tensor:
    """One label for each output: `label` + `noise` x u, with u ~ U(0, 1) drawn for each output by itself.

    Args:
        outputs: What the labels are for; gives their shape, type and device.
        label: The label without noise.
        noise: Width of the noise; negative moves labels down. 0 draws nothing from torch's global generator.
    """
    exact = torch.full_like(outputs, label)
    return exact + noise * torch.rand_like(outputs) if noise else exact
