"""Checks that metrics share."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError


def same_shape(metric: str, of: Tensor, to: Tensor) -> None:
    """Refuse to compare images of different shapes, or what are no images.

    Raises:
        ComponentError: The shapes differ or are not N x C x H x W.
    """
    if of.shape != to.shape or of.ndim != 4:
        raise ComponentError(
            f"{metric} compares images of one shape (got {tuple(of.shape)} and {tuple(to.shape)})",
            fix="name two image fields of the same channels and size",
        )


def not_empty(metric: str, examples: int) -> None:
    """Refuse to give a result without examples.

    Raises:
        ComponentError: No example was seen.
    """
    if examples == 0:
        raise ComponentError(f"{metric} has seen no examples", fix="evaluate on a split that is not empty")
