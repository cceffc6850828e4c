"""The three passes of an evaluation.

The held-out examples pass once through the networks, the training examples once through the search for the nearest one
and for pictures that are in both, and the held-out examples once more with the retrieved ones in the output's place.
Neither set is ever held as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from translate.data.request import Split
from translate.data.stream import Stream
from translate.errors import ComponentError, DataError
from translate.evaluation.measures import Measure, Measured
from translate.evaluation.model import Model
from translate.evaluation.opening import open_split
from translate.evaluation.overlap import Overlap
from translate.evaluation.retrieval import Nearest, keys_of
from translate.pipeline.expressions import Name, to_text
from translate.pipeline.settings import BaselineKeys, Pipeline
from translate.specs import Image

PICTURE_ROWS: Final = 8
OVERLAP_LIMIT: Final = 20_000  # training examples that are read for the overlap alone
RETRIEVED: Final = "retrieved"

Progress = Callable[[str, int, int], None]
Found = dict[str, Measured]


@dataclass
class Outcome:
    """What the passes found.

    Attributes:
        values: By metric, or `metric.part`.
        baseline: The same with retrieved pictures instead of outputs, for the metrics that look at them.
        overlap: Held-out examples with a picture that is in the training data; None = not looked for.
        columns: Pictures of the first examples in [0, 1] by expression.
        warnings: What could not be done.
    """

    values: Found = field(default_factory=dict)
    baseline: Found | None = None
    overlap: int | None = None
    columns: dict[str, Tensor] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Session:
    """One evaluation.

    Args:
        pipeline: With the overrides of this evaluation.
        model: The networks.
        held_out: The examples to measure on.
        split: Their split.
        number: Only the first so many of them.
        batch_size: Examples at once.
        progress: Called with a stage, examples done and examples in all.

    Raises:
        PipelineError: A metric looks at a value that does not exist.
        ComponentError: Retrieval is to work on what is no picture.
    """

    pipeline: Pipeline
    model: Model
    held_out: Stream
    split: Split
    number: int
    batch_size: int
    progress: Progress
    _outcome: Outcome = field(default_factory=Outcome)
    _pictures: dict[str, list[Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._images = [name for name, spec in self.held_out.fields.items() if isinstance(spec, Image)]
        self._metrics = {
            name: {
                key: self.model.node(expression, ("evaluation", "metrics", name, key))
                for key, expression in use.expressions.items()
            }
            for name, use in self.pipeline.metrics.items()
        }
        self._check_baseline()

    def run(self) -> Outcome:
        """All passes.

        Raises:
            DataError: An example cannot be read.
            NumbersError: An output is not finite.
            PluginError: A metric failed.
        """
        outcome, overlap = self._outcome, Overlap(self._images)
        nearest = self._measure_outputs(overlap)
        training = self._training()
        if training is not None:
            self._read_training(training, overlap, nearest)
            outcome.overlap = None if self.split == "train" else len(overlap.examples)
            if nearest is not None and self._baseline is not None:
                self._measure_retrieved(training, nearest.indices(), self._baseline)
        outcome.columns = {title: torch.cat(parts)[:PICTURE_ROWS] for title, parts in self._pictures.items()}
        return outcome

    # -- passes -----------------------------------------------------------------------------------------------------

    def _measure_outputs(self, overlap: Overlap) -> Nearest | None:
        measures, keys = self._measures(self._metrics), []
        for first, batch in self._batches("outputs", self.held_out, self.number):
            columns = self._columns if first < PICTURE_ROWS else {}
            self._update(measures, columns, batch, first, {})
            overlap.hold_out(first, batch)
            if self._baseline is not None:
                keys.append(keys_of(self.model.to_unit(batch[self._baseline.by])))
        self._outcome.values = _results(measures)
        if not keys:
            return None
        device = self.model.device if self.model.device.type == "cuda" else None
        return Nearest(torch.cat(keys), leave_out_self=self.split == "train", device=device)

    def _read_training(self, training: Stream, overlap: Overlap, nearest: Nearest | None) -> None:
        for first, batch in self._batches("training data", training, len(training)):
            overlap.train(batch)
            if nearest is not None and self._baseline is not None:
                nearest.add(first, keys_of(self.model.to_unit(batch[self._baseline.by])))

    def _measure_retrieved(self, training: Stream, indices: Sequence[int], baseline: BaselineKeys) -> None:
        stand_in = self.model.node(Name(baseline.instead_of), ("evaluation", "baseline", "instead_of"))
        affected = [
            name
            for name, nodes in self._metrics.items()
            if any(self.model.depends(node, stand_in) for node in nodes.values())
        ]
        measures = self._measures(affected)
        for first, batch in self._batches("retrieval", self.held_out, self.number):
            retrieved = training.examples(indices[first : first + self.batch_size])[baseline.give]
            self._update(measures, {}, batch, first, {baseline.instead_of: retrieved})
            if first < PICTURE_ROWS:
                self._pictures.setdefault(RETRIEVED, []).append(self.model.to_unit(retrieved).cpu())
        self._outcome.baseline = _results(measures)

    def _batches(self, stage: str, stream: Stream, number: int) -> Iterator[tuple[int, dict[str, Tensor]]]:
        for first in range(0, number, self.batch_size):
            last = min(number, first + self.batch_size)
            yield first, stream.examples(range(first, last))
            self.progress(stage, last, number)

    # -- parts of a pass --------------------------------------------------------------------------------------------

    @property
    def _baseline(self) -> BaselineKeys | None:
        return self.pipeline.evaluation.baseline

    def _measures(self, names: Iterable[str]) -> dict[str, Measure]:
        seed = self.pipeline.inference.seed
        return {name: Measure(name, self.pipeline.metrics[name], seed=seed) for name in names}

    def _update(
        self,
        measures: Mapping[str, Measure],
        columns: Mapping[str, int],
        batch: Mapping[str, Tensor],
        first: int,
        given: Mapping[str, Tensor],
    ) -> None:
        """Feed a batch to the measures, and keep its pictures for the columns."""
        nodes = sorted({*columns.values(), *(node for name in measures for node in self._metrics[name].values())})
        values = dict(zip(nodes, self.model.compute(nodes, batch, first, given), strict=True))
        count = len(next(iter(batch.values())))
        for name, measure in measures.items():
            measure.update({key: values[node] for key, node in self._metrics[name].items()}, count)
        for title, node in columns.items():
            value = values[node]
            if isinstance(value, Tensor) and value.ndim == 4:
                self._pictures.setdefault(title, []).append(value.cpu())

    @cached_property
    def _columns(self) -> dict[str, int]:
        """Columns of the picture grid: the preview, else what retrieval and the metrics look at."""
        listed = {to_text(expression): expression for expression in self.pipeline.preview}
        if not listed:
            listed = {} if self._baseline is None else {self._baseline.by: Name(self._baseline.by)}
            uses = self.pipeline.metrics.values()
            listed |= {to_text(each): each for use in uses for each in use.expressions.values()}
        return {title: self.model.node(expression, ("preview",)) for title, expression in listed.items()}

    def _training(self) -> Stream | None:
        """The training examples, where they are needed or can be had."""
        if self.split == "train":
            return self.held_out if self._baseline else None
        missing = "whether pictures are in the training data too was not checked:"
        try:
            stream = open_split(self.pipeline, "train", self.batch_size, self.held_out.fields)
        except DataError as exc:
            if self._baseline:
                raise
            self._outcome.warnings.append(f"{missing} {exc.what}")
            return None
        if not self._baseline and len(stream) > OVERLAP_LIMIT:
            text = f"more than {OVERLAP_LIMIT} training examples are read only for a retrieval baseline"
            self._outcome.warnings.append(f"{missing} {text} (there are {len(stream)})")
            return None
        return stream

    def _check_baseline(self) -> None:
        if self._baseline is None:
            return
        for key, name in (("by", self._baseline.by), ("give", self._baseline.give)):
            if name not in self._images:
                raise ComponentError(
                    f"retrieval works on pictures, and '{name}' is none",
                    where=str(self.pipeline.document.position(("evaluation", "baseline", key))),
                    fix=f"name an image field: {', '.join(self._images) or 'there is none'}",
                )


def _results(measures: Mapping[str, Measure]) -> Found:
    return {name: found for measure in measures.values() for name, found in measure.results().items()}
