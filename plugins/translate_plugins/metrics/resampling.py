"""Intervals of numbers that belong to a whole set and not to each of its examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

Weights = np.ndarray[Any, np.dtype[np.float64]]

_LEVEL: Final = (2.5, 97.5)
_SEED: Final = 0x626F_6F74


def resampled_interval(
    value: float, statistic: Callable[..., float], counts: Sequence[int], *, resamples: int = 1000
) -> tuple[float, float] | None:
    """95 % bootstrap interval of a statistic of one or more sets, each resampled by itself (Efron 1979).

    The percentiles are moved so that the mean of the resamples lies on the value: a resample holds fewer different
    examples than the set, by which distances between distributions grow.

    Args:
        value: The statistic of the sets as they are.
        statistic: Takes one array of weights for each set: how often each example was drawn.
        counts: Examples of each set.
        resamples: How often to draw.

    Returns:
        Lower and upper end, which hold the value between them; None for a set of fewer than two examples.
    """
    if min(counts) < 2:
        return None
    generator = np.random.default_rng(_SEED)
    found = np.array([statistic(*(_weights(count, generator) for count in counts)) for _ in range(resamples)])
    low, high = np.percentile(found, _LEVEL) - (found.mean() - value)
    return min(float(low), value), max(float(high), value)


def _weights(count: int, generator: np.random.Generator) -> Weights:
    return np.bincount(generator.integers(0, count, count), minlength=count).astype(np.float64)
