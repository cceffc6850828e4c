"""Latents on a hypersphere."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field

from translate import Spec, Vector


class Hypersphere:
    """Points of equal probability on a hypersphere, as ProGAN's latents (Karras et al. 2017, arXiv 1710.10196, A.1).

    A normal vector divided by its length. With the default radius each entry has mean 0 and variance 1, as after pixel
    norm.

    Args:
        size: Length of the vector.
        radius: Distance of all points from the origin; null is the square root of `size`.
    """

    def __init__(
        self, *, size: Annotated[int, Field(ge=2)] = 512, radius: Annotated[float, Field(gt=0)] | None = None
    ) -> None:
        self.spec: Spec = Vector(size)
        self.radius = math.sqrt(size) if radius is None else radius
        self.law = {"name": "hypersphere", "radius": self.radius}

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """Draw `count` examples on the device of the generator; N x size."""
        drawn = torch.randn(count, *self.spec.shape, generator=generator, device=device)
        length: torch.Tensor = torch.linalg.vector_norm(drawn, dim=1, keepdim=True)
        return drawn * (self.radius / length)
