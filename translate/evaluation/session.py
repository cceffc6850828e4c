"""The passes of an evaluation.

Metrics that learn first see the training examples that they want. Then the held-out examples pass once through the
networks, the training examples once through the search for the nearest one and for pictures that are in both, and the
held-out examples once more with the retrieved ones in the output's place. Neither set is ever held as a whole. Where
all that is measured comes from latents, nothing is read but what metrics learn from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import torch
from torch import Tensor

from translate.data.request import Split
from translate.data.stream import Stream
from translate.errors import ComponentError, DataError
from translate.evaluation.fitting import Progress, expressions_of, fits_of, in_batches, learn, unavailable_metrics
from translate.evaluation.measures import Measure, Measured
from translate.evaluation.model import Model
from translate.evaluation.opening import open_split
from translate.evaluation.overlap import Overlap
from translate.evaluation.retrieval import Nearest, keys_of
from translate.pipeline.expressions import Name, to_text
from translate.pipeline.settings import BaselineKeys, Pipeline
from translate.specs import Image, Spec

PICTURE_ROWS: Final = 8
OVERLAP_LIMIT: Final = 20_000  # training examples that are read for the overlap alone
DRAWN: Final = 1000  # examples where nothing depends on data and the pipeline does not say how many
RETRIEVED: Final = "retrieved"

Found = dict[str, Measured]


@dataclass
class Outcome:
    """What the passes found.

    Attributes:
        values: By metric, or `metric.part`.
        baseline: The same with retrieved pictures instead of outputs, for the metrics that look at them.
        overlap: Held-out examples with a picture that is in the training data; None = not looked for.
        columns: Pictures of the first examples in [0, 1] by expression.
        warnings: What could not be done, and what metrics say about their values.
        unavailable: By metric, why it could not be measured and what to do.
    """

    values: Found = field(default_factory=dict)
    baseline: Found | None = None
    overlap: int | None = None
    columns: dict[str, Tensor] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Session:
    """One evaluation.

    Args:
        pipeline: With the overrides of this evaluation.
        model: The networks.
        fields: What the networks were built for.
        split: The split to measure on; it is opened if anything that is measured depends on data.
        count: Only the first so many examples; None = as the pipeline says, else all, else 1000 where there is no data.
        batch_size: Examples at once.
        progress: Called with a stage, examples done and examples in all.

    Attributes:
        held_out: The examples to measure on; None where all that is measured comes from latents.
        number: How many.
        unavailable: By metric, why it cannot be measured and what to do.

    Raises:
        PipelineError: A metric looks at a value that does not exist.
        ComponentError: Retrieval is to work on what is no picture.
        DataError: The split cannot be opened.
        PluginError: A metric cannot be created.
    """

    pipeline: Pipeline
    model: Model
    fields: Mapping[str, Spec]
    split: Split
    count: int | None
    batch_size: int
    progress: Progress
    held_out: Stream | None = field(init=False, default=None)
    _outcome: Outcome = field(init=False, default_factory=Outcome)
    _pictures: dict[str, list[Tensor]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        uses = self.pipeline.metrics
        self.unavailable = self._outcome.unavailable = unavailable_metrics(uses)
        self._uses = {name: use for name, use in uses.items() if name not in self.unavailable}
        nodes = {name: self._nodes(name, expressions_of(use, "update")) for name, use in uses.items()}
        self._metrics = {name: nodes[name] for name in self._uses}
        self._fits = fits_of(self._uses, self._nodes)
        self._learned = {name: fit.learner for fit in self._fits for name in fit.names}
        available = DRAWN
        if self._baseline or self.model.fields(node for each in nodes.values() for node in each.values()):
            self.held_out = open_split(self.pipeline, self.split, self.batch_size, self.fields)
            available = len(self.held_out)
        wanted = self.count or self.pipeline.evaluation.count or available
        self.number = wanted if self.held_out is None else min(available, wanted)
        known = self.fields if self.held_out is None else self.held_out.fields
        self._images = [name for name, spec in known.items() if isinstance(spec, Image)]
        self._check_baseline()

    def run(self) -> Outcome:
        """All passes.

        Raises:
            DataError: An example cannot be read.
            NumbersError: An output is not finite.
            PluginError: A metric failed.
        """
        outcome, overlap = self._outcome, Overlap(self._images)
        if self._fits:
            learn(self._fits, self._open_training(), self.model, self.batch_size, self.progress)
        nearest = self._measure_outputs(overlap)
        training = None if self.held_out is None else self._training(self.held_out)
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
        for places, batch in self._batches("outputs", self.held_out, self.number):
            columns = self._columns if places.start < PICTURE_ROWS else {}
            self._update(measures, columns, batch, places, {})
            if self.held_out is not None:
                overlap.hold_out(places.start, batch)
            if self._baseline is not None:
                keys.append(keys_of(self.model.to_unit(batch[self._baseline.by])))
        self._outcome.values = _results(measures)
        self._outcome.warnings += [text for measure in measures.values() for text in measure.warnings()]
        if not keys:
            return None
        device = self.model.device if self.model.device.type == "cuda" else None
        return Nearest(torch.cat(keys), leave_out_self=self.split == "train", device=device)

    def _read_training(self, training: Stream, overlap: Overlap, nearest: Nearest | None) -> None:
        for places, batch in self._batches("training data", training, len(training)):
            overlap.train(batch)
            if nearest is not None and self._baseline is not None:
                nearest.add(places.start, keys_of(self.model.to_unit(batch[self._baseline.by])))

    def _measure_retrieved(self, training: Stream, indices: Sequence[int], baseline: BaselineKeys) -> None:
        stand_in = self.model.node(Name(baseline.instead_of), ("evaluation", "baseline", "instead_of"))
        affected = [
            name
            for name, nodes in self._metrics.items()
            if any(self.model.depends(node, stand_in) for node in nodes.values())
        ]
        measures = self._measures(affected)
        for places, batch in self._batches("retrieval", self.held_out, self.number):
            retrieved = training.examples(indices[places.start : places.stop])[baseline.give]
            self._update(measures, {}, batch, places, {baseline.instead_of: retrieved})
            if places.start < PICTURE_ROWS:
                self._pictures.setdefault(RETRIEVED, []).append(self.model.to_unit(retrieved).cpu())
        self._outcome.baseline = _results(measures)

    def _batches(self, stage: str, stream: Stream | None, number: int) -> Iterator[tuple[range, dict[str, Tensor]]]:
        for places in in_batches(number, self.batch_size):
            yield places, {} if stream is None else stream.examples(places)
            self.progress(stage, places.stop, number)

    # -- parts of a pass --------------------------------------------------------------------------------------------

    @property
    def _baseline(self) -> BaselineKeys | None:
        return self.pipeline.evaluation.baseline

    def _nodes(self, metric: str, keys: Iterable[str]) -> dict[str, int]:
        """The nodes of some of a metric's expressions."""
        expressions = self.pipeline.metrics[metric].expressions
        return {key: self.model.node(expressions[key], ("evaluation", "metrics", metric, key)) for key in keys}

    def _measures(self, names: Iterable[str]) -> dict[str, Measure]:
        seed = self.pipeline.inference.seed
        return {name: Measure(name, self._uses[name], fitted=self._learned.get(name), seed=seed) for name in names}

    def _update(
        self,
        measures: Mapping[str, Measure],
        columns: Mapping[str, int],
        batch: Mapping[str, Tensor],
        places: range,
        given: Mapping[str, Tensor],
    ) -> None:
        """Feed a batch to the measures, and keep its pictures for the columns."""
        nodes = sorted({*columns.values(), *(node for name in measures for node in self._metrics[name].values())})
        values = dict(zip(nodes, self.model.compute(nodes, batch, places, given), strict=True))
        for name, measure in measures.items():
            measure.update({key: values[node] for key, node in self._metrics[name].items()}, len(places))
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
            for use in self._uses.values():
                listed |= {to_text(use.expressions[key]): use.expressions[key] for key in expressions_of(use, "update")}
        nodes = {title: self.model.node(expression, ("preview",)) for title, expression in listed.items()}
        if self.held_out is None:
            nodes = {title: node for title, node in nodes.items() if not self.model.fields([node])}
        return nodes

    def _open_training(self) -> Stream:
        fields = self.fields if self.held_out is None else self.held_out.fields
        return open_split(self.pipeline, "train", self.batch_size, fields)

    def _training(self, held_out: Stream) -> Stream | None:
        """The training examples, where they are needed or can be had."""
        if self.split == "train":
            return held_out if self._baseline else None
        if not self._images:
            return None
        missing = "whether pictures are in the training data too was not checked:"
        try:
            stream = self._open_training()
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
