"""Metrics over a whole set: a mean with an interval for those that judge each example, one number for the others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from translate.data.request import Array
from translate.errors import PluginError, TranslateError
from translate.pipeline.settings import Use

RESAMPLES: Final = 1000
_LEVEL: Final = (2.5, 97.5)
_AT_ONCE: Final = 2_000_000  # indices drawn at once by the bootstrap: 16 MB


class Measured(NamedTuple):
    """A value, with its 95 % interval where the metric judges each example."""

    value: float
    interval: tuple[float, float] | None


class Measure:
    """One metric of a pipeline, fed batch by batch.

    Args:
        name: Its name in the pipeline.
        use: The metric component.
        seed: Seed of the bootstrap.
    """

    def __init__(self, name: str, use: Use, *, seed: int = 0) -> None:
        self.name = name
        self._use = use
        self._seed = seed
        self._values: list[Tensor] = []
        self._over_set: Any = use.create() if inspect.isclass(use.entry.factory) else None

    def update(self, values: Mapping[str, Any], count: int) -> None:
        """Add a batch.

        Args:
            values: What the metric's expressions gave, images in [0, 1].
            count: Examples of the batch.

        Raises:
            PluginError: The metric failed, or did not give one value for each example.
        """
        try:
            if self._over_set is not None:
                self._over_set.update(**values)
                return
            result = self._use.create(**values)
        except TranslateError as exc:
            exc.where = exc.where or f"evaluation.metrics.{self.name}"
            raise
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, AssertionError) as exc:
            raise self._failed(exc) from exc
        if not isinstance(result, Tensor) or result.shape != (count,):
            found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise self._wrong(f"must give one value for each of the {count} examples (got {found})")
        self._values.append(result.detach().to("cpu", torch.float64))

    def results(self) -> dict[str, Measured]:
        """The values by name: the metric's own, or `metric.part` for each part that it gives.

        Raises:
            PluginError: The metric failed, or gave neither a number nor a mapping of numbers.
        """
        if self._over_set is None:
            values = torch.cat(self._values).numpy()
            return {self.name: Measured(float(values.mean()), bootstrap_interval(values, seed=self._seed))}
        try:
            result = self._over_set.compute()
        except TranslateError:
            raise
        except (RuntimeError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as exc:
            raise self._failed(exc) from exc
        parts = result if isinstance(result, Mapping) else {"": result}
        try:
            return {f"{self.name}.{key}".rstrip("."): Measured(float(value), None) for key, value in parts.items()}
        except (TypeError, ValueError, RuntimeError) as exc:
            raise self._wrong(f"must give a number or numbers by name (got {result!r})") from exc

    def _failed(self, exc: Exception) -> PluginError:
        first = (str(exc).strip().splitlines() or [""])[0]
        return self._wrong(f"failed: {type(exc).__name__}: {first}")

    def _wrong(self, what: str) -> PluginError:
        entry = self._use.entry
        where = f"evaluation.metrics.{self.name}"
        return PluginError(f"metric '{entry.name}' from {entry.provider} {what}", where=where)


def bootstrap_interval(values: Array, *, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of the mean over examples (Efron 1979: percentiles of the means of 1000 resamples).

    It says how far the mean depends on which examples were held out; what another training would give is beyond it.

    Args:
        values: One value for each example.
        seed: Seed of the resamples.

    Returns:
        Lower and upper end, which always hold the mean between them; None for fewer than two examples, or where a
        value is not finite.
    """
    count = len(values)
    if count < 2 or not np.isfinite(values).all():
        return None
    generator = np.random.default_rng(seed)
    means: list[Array] = []
    left = RESAMPLES
    while left:
        rows = min(left, max(1, _AT_ONCE // count))
        means.append(values[generator.integers(0, count, (rows, count))].mean(axis=1))
        left -= rows
    low, high = np.percentile(np.concatenate(means), _LEVEL)
    mean = float(values.mean())
    return min(float(low), mean), max(float(high), mean)
