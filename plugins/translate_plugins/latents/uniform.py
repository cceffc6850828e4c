"""Uniform latent."""

from __future__ import annotations

import torch

from translate import Spec
from translate.errors import ComponentError
from translate_plugins.latents.sizes import Size, spec_of


class Uniform:
    """Independent values from U(low, high); U(-1, 1) as DCGAN (Radford et al. 2015, arXiv 1511.06434).

    Args:
        size: Length of the vector, or [channels, height, width] of a map that joins images.
        low: Smallest value.
        high: Largest value, excluded.

    Raises:
        ComponentError: `low` is not below `high`.
    """

    def __init__(self, *, size: Size = 100, low: float = -1.0, high: float = 1.0) -> None:
        if low >= high:
            raise ComponentError(f"uniform: low must be below high (got {low} and {high})", fix="exchange them")
        self.low, self.high = low, high
        self.spec: Spec = spec_of(size)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """Draw `count` examples on the device of the generator; N x size."""
        unit = torch.rand(count, *self.spec.shape, generator=generator, device=device)
        return self.low + (self.high - self.low) * unit
