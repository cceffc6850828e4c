"""Gaussian noise."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn


class Noise(nn.Module):
    """Add Gaussian noise, as instance noise at a discriminator's inputs (Arjovsky & Bottou 2017, arXiv 1701.04862).

    Draws from torch's global generator at each call. Gradients pass through.

    Args:
        std: Standard deviation, in units of the values; images span [-1, 1] unless the pipeline says otherwise.
    """

    def __init__(self, *, std: Annotated[float, Field(ge=0)] = 0.1) -> None:
        super().__init__()
        self.std = std

    def forward(self, value: Tensor, /) -> Tensor:
        """Same shape; new noise in every element."""
        return value + self.std * torch.randn_like(value)
