"""Sets of vectors: two of one size, as the metrics of codes take them, and correlations' form of each."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError


def vectors_of(metric: str, of: Tensor, to: Tensor) -> tuple[Tensor, Tensor]:
    """Both as N x size, maps flattened.

    Raises:
        ComponentError: They are no vectors, or of two sizes.
    """
    if of.ndim < 2 or of.shape[1:] != to.shape[1:]:
        raise ComponentError(
            f"{metric} compares vectors of one size (got {tuple(of.shape)} and {tuple(to.shape)})",
            fix="name a code, and a latent of the same size",
        )
    return of.flatten(1), to.flatten(1)


def standardised(values: Tensor) -> Tensor:
    """Each row as a vector of mean 0 and length 1 in float64, for correlations; zeros where it has one value only."""
    rows = values.double().flatten(1)
    centred = rows - rows.mean(1, keepdim=True)
    length = centred.norm(dim=1, keepdim=True)
    flat = length <= 1e-6 * rows.norm(dim=1, keepdim=True)  # what rounding leaves of a constant
    return torch.where(flat, 0.0, centred / length)
