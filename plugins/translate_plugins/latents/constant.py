"""A latent that is a number of the user's choice."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from translate import Spec, Vector


class Constant:
    """One number, the same for every example: a setting of a trained network that stays open, such as truncation.

    As `psi: {latent: constant, value: 0.7}`. What it is used in takes 0.7 unless it is told something else, and an
    exported file that lists `psi` among its inputs has it as one, a number for each example.

    Args:
        value: The number.
        size: How many of it.
    """

    def __init__(self, *, value: float, size: Annotated[int, Field(ge=1)] = 1) -> None:
        self.value = value
        self.spec: Spec = Vector(size)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """The number, `count` times; N x size."""
        return torch.full((count, *self.spec.shape), self.value, device=device)
