"""Normal latent."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from translate import Spec
from translate_plugins.latents.sizes import Size, spec_of


class Normal:
    """Independent N(0, std) values.

    Args:
        size: Length of the vector, or [channels, height, width] of a map that joins images.
        std: Standard deviation; 1, or 5 for the prior of an adversarial autoencoder (Makhzani et al. 2015).
    """

    def __init__(self, *, size: Size = 100, std: Annotated[float, Field(gt=0)] = 1.0) -> None:
        self.std = std
        self.spec: Spec = spec_of(size)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """Draw `count` examples on the device of the generator; N x size."""
        return self.std * torch.randn(count, *self.spec.shape, generator=generator, device=device)
