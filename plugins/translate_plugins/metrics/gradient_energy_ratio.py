"""Sharpness of outputs beside that of targets."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from translate_plugins.metrics.checks import not_empty, same_shape
from translate_plugins.metrics.colour import as_rgb, luma


class GradientEnergyRatio:
    """Gradient energy of the outputs divided by that of the targets, over the whole set: below 1 is blurred.

    The energy of an image is the mean over pixels of (Y[i, j+1] - Y[i, j])^2 + (Y[i+1, j] - Y[i, j])^2, where Y is luma
    (0.299 R + 0.587 G + 0.114 B of the values in [0, 1]) and the last row and column, which have no successor, are left
    out. The ratio is that of the two sums over all images, not a mean of ratios: a flat target does no harm. No paper;
    it tells the blur of a reconstruction loss from the grain of an adversarial one.

    Args:
        power: 2 = the energy, which the few strongest edges decide; 1 = the mean length of the gradient, the root of
            the same sum at each pixel, to which texture counts as much.
    """

    def __init__(self, *, power: Literal[1, 2] = 2) -> None:
        self._power = power
        self._examples = 0
        self._of = 0.0
        self._to = 0.0

    def update(self, of: Tensor, to: Tensor) -> None:
        """Add a batch.

        Args:
            of: Outputs, N x C x H x W in [0, 1], grey or RGB.
            to: Targets, same shape.

        Raises:
            ComponentError: The shapes differ, or there are neither 1 nor 3 channels.
        """
        same_shape("gradient_energy_ratio", of, to)
        self._examples += len(of)
        self._of += _energy(of, self._power)
        self._to += _energy(to, self._power)

    def compute(self) -> float:
        """The ratio; 1 where both are flat, infinity where only the targets are.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("gradient_energy_ratio", self._examples)
        if self._to == 0:
            return 1.0 if self._of == 0 else math.inf
        return self._of / self._to


def _energy(images: Tensor, power: int) -> float:
    """Sum over the images of a batch of their energies."""
    y = luma(as_rgb("gradient_energy_ratio", images)).double()
    across = y[:, :-1, 1:] - y[:, :-1, :-1]
    down = y[:, 1:, :-1] - y[:, :-1, :-1]
    squares = across.square() + down.square()
    return float((squares if power == 2 else squares.sqrt()).flatten(1).mean(1).sum())
