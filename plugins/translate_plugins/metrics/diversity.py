"""How different the outputs are from one another."""

from __future__ import annotations

import math
from typing import Any, Final

from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import at_least_two, images_of

_NOTHING: Final = 1e-24  # what rounding leaves of the variance of equal pictures


class Diversity:
    """Variance of outputs across a set, divided by that of the targets: below 1 they are too much alike.

    Mean over all values of the variance across examples: 0 for a generator that gives one picture whatever it is
    asked (mode collapse; a conditional GAN whose discriminator does not see the condition), 1 where outputs differ as
    much as targets do. Each pixel is judged alone: noise counts as variety too. No paper.
    """

    def __init__(self) -> None:
        self._of = _Spread()
        self._to = _Spread()

    def update(self, of: Any, to: Any) -> None:
        """Add a batch.

        Args:
            of: Outputs, N x C x H x W in [0, 1], or lists of them.
            to: Targets of the same channels and size.

        Raises:
            ComponentError: The shapes differ.
        """
        first, second = images_of("diversity", of), images_of("diversity", to)
        if first.shape[1:] != second.shape[1:]:
            raise ComponentError(
                f"diversity compares images of one shape (got {tuple(first.shape)} and {tuple(second.shape)})",
                fix="name two image fields of the same channels and size",
            )
        self._of.add(first)
        self._to.add(second)

    def compute(self) -> float:
        """The ratio; 1 where neither varies, infinity where only the outputs do.

        Raises:
            ComponentError: Fewer than two examples were seen.
        """
        at_least_two("diversity", min(self._of.count, self._to.count))
        of, to = self._of.variance(), self._to.variance()
        if to <= _NOTHING:
            return 1.0 if of <= _NOTHING else math.inf
        return of / to


class _Spread:
    """Mean over values of the variance across examples, batch by batch (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._squares = 0.0  # sum over examples, mean over values, of squared deviations

    def add(self, images: Tensor) -> None:
        values = images.double()
        mean, number = values.mean(0), len(values)
        self._squares += float((values - mean).square().sum(0).mean())
        if self._mean is None:
            self._mean = mean
        else:
            apart = mean - self._mean
            self._squares += float(apart.square().mean()) * self.count * number / (self.count + number)
            self._mean = self._mean + apart * (number / (self.count + number))
        self.count += number

    def variance(self) -> float:
        return self._squares / (self.count - 1)
