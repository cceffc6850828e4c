"""Two sets of vectors, as the metrics of codes take them."""

from __future__ import annotations

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
