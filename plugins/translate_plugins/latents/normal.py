"""Standard normal latent."""

from __future__ import annotations

import torch

from translate import Spec
from translate_plugins.latents.sizes import Size, spec_of


class Normal:
    """Independent N(0, 1) values.

    Args:
        size: Length of the vector, or [channels, height, width] of a map that joins images.
    """

    def __init__(self, *, size: Size = 100) -> None:
        self.spec: Spec = spec_of(size)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """Draw `count` examples on the device of the generator; N x size."""
        return torch.randn(count, *self.spec.shape, generator=generator, device=device)
