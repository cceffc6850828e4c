"""Metrics that learn from training examples before anything is measured: each thing that is to be learned, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from translate.data.stream import Stream
from translate.evaluation.measures import named, wrong
from translate.evaluation.model import Model
from translate.pipeline.expressions import to_text
from translate.pipeline.settings import Use

FIT_COUNT: Final = "fit_count"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What metrics learn that have the same component, choices and expressions for `fit`.

    Attributes:
        names: The metrics, by their names in the pipeline.
        use: The component of each of them.
        nodes: What it learns from, by parameter.
        learner: The metric object that learns.
    """

    names: list[str]
    use: Use
    nodes: Mapping[str, int]
    learner: Any

    def count(self, available: int) -> int:
        """How many training examples it wants, at most those that there are."""
        limit = self.use.choices.get(FIT_COUNT)
        return available if limit is None else min(available, int(limit))


def fits_of(metrics: Mapping[str, Use], nodes: Callable[[str, Sequence[str]], Mapping[str, int]]) -> list[Fit]:
    """The learning that metrics need; `fit` is called where the pipeline gives at least one of its expressions.

    Args:
        metrics: The metrics by name.
        nodes: Gives the nodes of some expressions of a metric.

    Raises:
        PluginError: A metric could not be created.
    """
    found: dict[tuple[str, ...], Fit] = {}
    for name, use in metrics.items():
        keys = expressions_of(use, "fit")
        if not keys:
            continue
        texts = (f"{key}={to_text(use.expressions[key])}" for key in keys)
        identity = (use.entry.qualified_name, repr(sorted(use.choices.items())), *texts)
        if identity in found:
            found[identity].names.append(name)
            continue
        with named(name, use):
            learner = use.create()
        found[identity] = Fit(names=[name], use=use, nodes=nodes(name, keys), learner=learner)
    return list(found.values())


def learn(fits: Sequence[Fit], training: Stream, model: Model, batch_size: int, progress: Progress) -> None:
    """Show the training examples to all that learn; those that want equally many see the same ones, read once.

    Raises:
        DataError: An example cannot be read.
        PluginError: A metric failed.
    """
    by_count: dict[int, list[Fit]] = {}
    for fit in fits:
        by_count.setdefault(fit.count(len(training)), []).append(fit)
    for count, group in by_count.items():
        _show(group, spread(count, len(training)), training, model, batch_size, progress)
    for index, fit in enumerate(fits):
        progress("learning", index, len(fits))
        if hasattr(fit.learner, "fitted"):
            with named(fit.names[0], fit.use):
                fit.learner.fitted()
    progress("learning", len(fits), len(fits))


def _show(
    group: Sequence[Fit], indices: list[int], training: Stream, model: Model, batch_size: int, progress: Progress
) -> None:
    nodes = sorted({node for fit in group for node in fit.nodes.values()})
    reads_data = bool(model.fields(nodes))
    for places in in_batches(len(indices), batch_size):
        batch = training.examples(indices[places.start : places.stop]) if reads_data else {}
        values = dict(zip(nodes, model.compute(nodes, batch, places, training=True), strict=True))
        for fit in group:
            with named(fit.names[0], fit.use):
                fit.learner.fit(**{key: values[node] for key, node in fit.nodes.items()})
        progress(f"examples to learn from, {len(indices)}", places.stop, len(indices))


def expressions_of(use: Use, method: str) -> tuple[str, ...]:
    """Expressions that a pipeline gives for one method of a metric; those of a function belong to `update`."""
    sides = use.entry.schema.sides
    names = sides["both"] if method == "update" and "both" in sides else sides.get(method, ())
    return tuple(key for key in names if key in use.expressions)


def unavailable_metrics(metrics: Mapping[str, Use]) -> dict[str, str]:
    """The metrics that cannot be measured on this machine, each with what it lacks and how to get it.

    Raises:
        PluginError: A metric failed to say so.
    """
    reasons: dict[str, str] = {}
    for name, use in metrics.items():
        if not inspect.isclass(use.entry.factory) or not hasattr(use.entry.factory, "unavailable"):
            continue
        with named(name, use):
            reason = use.create().unavailable()
        if reason is not None and not (isinstance(reason, str) and reason):
            raise wrong(name, use, f"must say why it is unavailable, or None (got {reason!r})")
        reasons |= {name: reason} if reason else {}
    return reasons


def spread(count: int, available: int) -> list[int]:
    """Indices of so many examples at even distances: data in the order of its classes keeps all of them."""
    return [index * available // count for index in range(count)]


def in_batches(number: int, size: int) -> Iterator[range]:
    """The places from 0 to `number` in batches."""
    for first in range(0, number, size):
        yield range(first, min(number, first + size))
