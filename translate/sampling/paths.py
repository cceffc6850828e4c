"""Ways from one latent to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_TINY: Final = 1e-7  # of a sine: closer than this, two directions are one or opposite


def linear(start: Array, end: Array, share: float) -> Array:
    """The point of the straight way: (1 - share) start + share end."""
    result: Array = (1.0 - share) * start + share * end
    return result


def slerp(start: Array, end: Array, share: float) -> Array:
    """The point of the way along the great circle (Shoemake 1985; for latents White 2016, arXiv 1609.04468).

    A Gaussian of many dimensions has nearly all its mass in a thin shell, which the straight way leaves. Directions
    turn at a constant rate, and the length goes linearly from one to the other; where both are equally long this is
    Shoemake's formula (sin((1 - t) w) a + sin(t w) b) / sin w, which for others would first grow or shrink.

    Opposite directions have no great circle of their own: the way then goes over the first axis that is perpendicular
    enough. Where one of them is zero, the way is straight.

    Args:
        start: Of any shape; taken as one vector.
        end: Of the same shape.
        share: 0 at the start, 1 at the end.

    Shape:
        That of `start`, float64.
    """
    a, b = np.ravel(start).astype(np.float64), np.ravel(end).astype(np.float64)
    long_a, long_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if not long_a or not long_b or share in {0.0, 1.0}:
        return linear(a, b, share).reshape(start.shape)
    a, b = a / long_a, b / long_b
    cosine = float(a @ b)
    side = b - cosine * a
    sine = float(np.linalg.norm(side))
    if sine < _TINY and cosine < 0.0:
        axis = np.eye(a.size)[np.argmin(np.abs(a))]
        side = axis - (a @ axis) * a
    size = float(np.linalg.norm(side))
    if sine < _TINY and (cosine > 0.0 or not size):  # one direction; or two in one dimension, with no way around zero
        return linear(a * long_a, b * long_b, share).reshape(start.shape)
    turned = share * np.arctan2(sine, cosine)
    point = np.cos(turned) * a + np.sin(turned) * (side / size)
    result: Array = point * ((1.0 - share) * long_a + share * long_b)
    return result.reshape(start.shape)


LAWS: Final[dict[str, Callable[[Array, Array, float], Array]]] = {"slerp": slerp, "linear": linear}
"""By the name that the command line takes."""
