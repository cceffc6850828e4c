"""Metrics over a whole set: a mean with an interval for what judges each example, the metric's own numbers otherwise.

What `compute()` of a metric class gives is one part, or a mapping of parts by name. A part is

- a number,
- a tensor or array with one value for each example: its mean is reported with a bootstrap interval, or
- a pair `(value, (low, high))`: a number with an interval of the metric's own, `(value, None)` where there is none.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
_FAILURES: Final = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, ImportError,
)  # fmt: skip


class Measured(NamedTuple):
    """A value, with its 95 % interval where there is one."""

    value: float
    interval: tuple[float, float] | None


@contextmanager
def named(name: str, use: Use) -> Iterator[None]:
    """What a metric raises inside is an error that names it.

    Raises:
        PluginError: It failed with something of its own.
        TranslateError: It refused what it was given.
    """
    try:
        yield
    except TranslateError as exc:
        exc.where = exc.where or f"evaluation.metrics.{name}"
        raise
    except _FAILURES as exc:
        first = (str(exc).strip().splitlines() or [""])[0]
        raise wrong(name, use, f"failed: {type(exc).__name__}: {first}") from exc


def wrong(name: str, use: Use, what: str) -> PluginError:
    """An error about a metric that breaks the rules."""
    return PluginError(
        f"metric '{use.entry.name}' from {use.entry.provider} {what}", where=f"evaluation.metrics.{name}"
    )


class Measure:
    """One metric of a pipeline, fed batch by batch.

    Args:
        name: Its name in the pipeline.
        use: The metric component.
        fitted: What its class learned before; it is copied.
        seed: Seed of the bootstrap.
    """

    def __init__(self, name: str, use: Use, *, fitted: Any = None, seed: int = 0) -> None:
        self.name = name
        self._use = use
        self._seed = seed
        self._values: list[Tensor] = []
        self._over_set: Any = None
        with named(name, use):
            if fitted is not None:
                self._over_set = copy.deepcopy(fitted)
            elif inspect.isclass(use.entry.factory):
                self._over_set = use.create()

    def update(self, values: Mapping[str, Any], count: int) -> None:
        """Add a batch.

        Args:
            values: What the metric's expressions gave, images in [0, 1].
            count: Examples of the batch.

        Raises:
            PluginError: The metric failed, or did not give one value for each example.
        """
        with named(self.name, self._use):
            if self._over_set is not None:
                self._over_set.update(**values)
                return
            result = self._use.create(**values)
        if not isinstance(result, Tensor) or result.shape != (count,):
            found = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
            raise self._wrong(f"must give one value for each of the {count} examples (got {found})")
        self._values.append(result.detach().to("cpu", torch.float64))

    def results(self) -> dict[str, Measured]:
        """The values by name: the metric's own, or `metric.part` for each part that it gives.

        Raises:
            PluginError: The metric failed, or gave something else than the module says.
        """
        if self._over_set is None:
            return {self.name: self._measured(torch.cat(self._values))}
        with named(self.name, self._use):
            result = self._over_set.compute()
        parts = result if isinstance(result, Mapping) else {"": result}
        return {f"{self.name}.{key}".rstrip("."): self._measured(part) for key, part in parts.items()}

    def warnings(self) -> list[str]:
        """What the metric has to say about its values.

        Raises:
            PluginError: The metric failed, or gave something else than texts.
        """
        say: Callable[[], Any] | None = getattr(self._over_set, "warnings", None)
        if say is None:
            return []
        with named(self.name, self._use):
            texts = say()
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise self._wrong(f"must give its warnings as a list of texts (got {texts!r})")
        return [f"{self.name}: {text}" for text in texts]

    def _measured(self, part: Any) -> Measured:
        if isinstance(part, Tensor | np.ndarray) and part.ndim == 1 and len(part):
            values = torch.as_tensor(part).detach().to("cpu", torch.float64).numpy()
            return Measured(float(values.mean()), bootstrap_interval(values, seed=self._seed))
        value, interval = part if isinstance(part, tuple) and len(part) == 2 else (part, None)
        try:
            return Measured(float(value), None if interval is None else _ends(*interval))
        except (TypeError, ValueError, RuntimeError) as exc:
            forms = "a number, one value for each example, or (value, (low, high)), or these by name"
            raise self._wrong(f"must give {forms} (got {part!r})") from exc

    def _wrong(self, what: str) -> PluginError:
        return wrong(self.name, self._use, what)


def _ends(low: Any, high: Any) -> tuple[float, float] | None:
    """The ends of an interval as numbers; None where one of them is not finite."""
    ends = (float(low), float(high))
    return ends if math.isfinite(ends[0]) and math.isfinite(ends[1]) else None


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
