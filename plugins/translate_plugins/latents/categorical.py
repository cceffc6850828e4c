"""Categorical latent."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from translate import Label, Spec, Vector


class Categorical:
    """One of several classes, all equally likely: InfoGAN's discrete code (Chen et al. 2016, arXiv 1606.03657).

    Args:
        classes: Number of classes.
        one_hot: Give a one-hot vector of `classes` numbers; false gives the index, a label.
    """

    def __init__(self, *, classes: Annotated[int, Field(ge=2)] = 10, one_hot: bool = True) -> None:
        self.classes = classes
        self.one_hot = one_hot
        self.spec: Spec = Vector(classes) if one_hot else Label(classes)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> torch.Tensor:
        """Draw `count` examples on the device of the generator; N x classes float, or N int64."""
        index = torch.randint(self.classes, (count,), generator=generator, device=device)
        return torch.eye(self.classes, device=device)[index] if self.one_hot else index
