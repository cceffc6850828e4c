"""Gradient penalty of WGAN-GP."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate_plugins.losses.gradients import input_gradients
from translate_plugins.losses.nested import Nested


class GradientPenalty:
    """Gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028, equation 3): E (||grad f(x)||_2 - target)^2.

    Counts on the discriminator's side only; the weight is the paper's lambda, 10. Use it with `mix`:
    `{loss: gradient_penalty, of: D(between), at: between, weight: 10}`. The norm is taken for each example, in float32.
    For a critic with many outputs, such as a patch critic, f(x) is their mean, where the paper has one output. No batch
    norm in the critic: the gradient of one example would depend on the others.

    Args:
        target: The norm to hold; 1 in the paper.
        one_sided: Penalise only norms above the target (the paper's section 4, "one-sided penalty").
    """

    is_penalty = True

    def __init__(self, *, target: Annotated[float, Field(ge=0)] = 1.0, one_sided: bool = False) -> None:
        self.target = target
        self.one_sided = one_sided

    def discriminator(self, of: Nested, at: Nested) -> Tensor:
        """The penalty for the critic's outputs `of` at the points `at`."""
        # vector_norm's gradient at zero is zero; a square root's would not be finite.
        excess = torch.linalg.vector_norm(input_gradients(of, at), dim=1) - self.target
        return (F.relu(excess) if self.one_sided else excess).square().mean()
