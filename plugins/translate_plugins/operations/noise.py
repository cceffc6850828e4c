"""Gaussian noise."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from translate.errors import ComponentError
from translate_plugins.operations.lists import Parts, each


class Noise(nn.Module):
    """Add Gaussian noise, as instance noise at a discriminator's inputs (Arjovsky & Bottou 2017, arXiv 1701.04862).

    Draws from torch's global generator at each call. Gradients pass through. Outside of training it changes nothing. A
    second value multiplies the deviation, as a schedule that anneals it: `D(noise(fake, fading))`, and the same around
    real examples, or a discriminator would learn the noise.

    Args:
        std: Standard deviation, in units of the values; images span [-1, 1] unless the pipeline says otherwise.
    """

    both_sides = True

    def __init__(self, *, std: Annotated[float, Field(ge=0)] = 0.1) -> None:
        super().__init__()
        self.std = std

    def forward(self, value: Parts, /, *strength: float) -> Parts:
        """Same shape; new noise in every element, of all parts of a list.

        Raises:
            ComponentError: More than one strength, or `value` is no tensor and no list of them.
        """
        if len(strength) > 1:
            raise ComponentError(
                f"noise takes a value and one strength (got {len(strength)})", fix="write noise(value, strength)"
            )
        if not self.training:
            return value
        std = self.std * strength[0] if strength else self.std
        return each("noise", lambda part: part + std * torch.randn_like(part), value)
