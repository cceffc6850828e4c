"""A generator and a discriminator."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Image
from translate.errors import ComponentError

Width = Annotated[int, Field(ge=1)]


class _Stack(nn.Module):
    """Inputs, joined on their channels, through some layers."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply the layers."""
        result: Tensor = self.layers(torch.cat(inputs, 1))
        return result


def plain(source: Image, /, *, makes: Image, width: Width = 16) -> nn.Module:
    """Three convolutions that keep the size.

    Args:
        source: The image to translate.
        makes: The image to make, of the same size.
        width: Channels between the convolutions.

    Raises:
        ComponentError: The sizes differ.
    """
    if source.shape[1:] != makes.shape[1:]:
        raise ComponentError(f"plain keeps the size (got {source} for {makes})", fix="choose another generator")
    return _Stack(
        nn.Conv2d(source.channels, width, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, width, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, makes.channels, 3, padding=1),
        nn.Tanh(),
    )


def small(*inputs: Image, width: Width = 16) -> nn.Module:
    """Two convolutions with stride 2, one logit for each patch.

    Args:
        *inputs: Images of one size.
        width: Channels between the convolutions.
    """
    channels = sum(image.channels for image in inputs)
    return _Stack(
        nn.Conv2d(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 4, stride=2, padding=1),
    )
