"""A parametrisation, a loss, an operation, a latent, a schedule and a metric."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from translate import Vector


def unit(network: nn.Module, /) -> nn.Module:
    """Weight normalisation of every dense layer and convolution (Salimans & Kingma 2016, arXiv 1602.07868).

    Args:
        network: Changed in place.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight_norm(module)
    return network


def charbonnier(of: Tensor, to: Tensor, *, eps: Annotated[float, Field(gt=0)] = 1e-3) -> Tensor:
    """Mean of sqrt(difference^2 + eps^2) (Charbonnier et al. 1994).

    Args:
        of: The output.
        to: The target.
        eps: Below this a difference counts as squared.
    """
    return (of - to).square().add(eps * eps).sqrt().mean()


def flip(images: Tensor, /) -> Tensor:
    """Mirror images left to right."""
    return images.flip(-1)


class Sphere:
    """Uniform on the surface of a ball.

    Args:
        size: Dimensions of the space.
    """

    def __init__(self, *, size: Annotated[int, Field(ge=2)] = 16) -> None:
        self.spec = Vector(size)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        """Draw `count` points, N x size."""
        points = torch.randn(count, self.spec.size, generator=generator, device=device)
        return torch.nn.functional.normalize(points, dim=1)


class Halving:
    """A value that halves every `every` steps.

    Args:
        initial: The value at step 0.
        every: Steps between halvings.
    """

    def __init__(self, *, initial: float = 1.0, every: Annotated[int, Field(ge=1)] = 1000) -> None:
        self.initial, self.every = initial, every

    def __call__(self, step: int) -> float:
        """The value at a step."""
        return self.initial * 0.5 ** (step // self.every)


def worst(of: Tensor, to: Tensor) -> Tensor:
    """The largest absolute difference of each example, N.

    Args:
        of: Images in [0, 1].
        to: Images in [0, 1].
    """
    return (of - to).abs().flatten(1).amax(1)
