"""Measuring a trained pipeline on held-out data: the entry point, and the assembly of its report."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch

from translate import __version__
from translate.errors import ModelFileError
from translate.evaluation.fitting import Progress
from translate.evaluation.measures import Measured
from translate.evaluation.model import Model
from translate.evaluation.opening import choose_split, open_run, overridden
from translate.evaluation.report import EvaluationReport, write_json
from translate.evaluation.session import Outcome, Session
from translate.grids import picture_grid, unit_to_bytes
from translate.pictures import write_picture
from translate.training.machine import choose_device, translated_errors

if TYPE_CHECKING:
    from translate.training.opening import Opened

SMALL_SET: Final = 50
LATENTS: Final = "latents"


def evaluate(
    source: str | Path | Opened,
    *,
    split: str | None = None,
    count: int | None = None,
    output: Path | None = None,
    batch_size: int = 16,
    overrides: Sequence[str] = (),
    device: str = "auto",
    require_metrics: bool = False,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Measure a trained pipeline with the metrics that it names, beside nearest-neighbour retrieval.

    Writes `evaluation-SPLIT-STEP.json`, and a grid of pictures of the same name. What speaks against the numbers (few
    examples, pictures that are in the training data too) is in the report's `warnings`; nothing is logged. Where all
    that is measured comes from latents, no split is opened and the report's is `latents`.

    Args:
        source: Folder of a run or of a checkpoint, or a run that is open.
        split: Split to measure on; by default the one that the pipeline says.
        count: Only the first so many examples; by default `evaluation.count`, else all (of latents: 1000).
        output: Folder for the files; by default the run's.
        batch_size: Examples at once.
        overrides: `data.KEY=value` and `evaluation.KEY=value`, such as a new `data.root`.
        device: auto, cpu, cuda or mps.
        require_metrics: Refuse to go on without a metric whose weights are not on this machine; it is reported as
            unavailable otherwise.
        progress: Called with a stage, examples done and examples in all.

    Raises:
        DataError: The split is not there, is the training split without being asked for, or does not fit.
        NumbersError: An output is not finite.
        UsageError: The pipeline names no metric, or an override concerns the training.
        PipelineError: An override is wrong.
        PluginError: A metric failed.
        ModelFileError: There is no complete checkpoint, or a metric that is required is unavailable.
        MachineError: The device is not there, its memory does not suffice, or the files cannot be written.
        ValueError: `count` or `batch_size` is below 1.
    """
    if min(batch_size, 1 if count is None else count) < 1:
        msg = f"count and batch_size must be at least 1 (got {count} and {batch_size})"
        raise ValueError(msg)
    began = time.perf_counter()
    kind = choose_device(device)
    opened = open_run(source)
    pipeline = overridden(opened, overrides)
    chosen = choose_split(pipeline, split)
    with translated_errors(f"evaluating in batches of {batch_size}", "use a smaller batch size"):
        session = Session(
            pipeline=pipeline,
            model=Model(opened, pipeline, torch.device(kind)),
            fields=opened.game.fields,
            split=chosen,
            count=count,
            batch_size=batch_size,
            progress=progress or _silent,
        )
        if require_metrics and session.unavailable:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in session.unavailable.items())
            fix = "get what is missing, or leave out --require-metrics"
            raise ModelFileError(f"unavailable metrics: {reasons}", where="evaluation.metrics", fix=fix)
        outcome = session.run()
    report = _report(opened, session, outcome, time.perf_counter() - began)
    return _written(report, output or opened.run_folder, outcome)


def _report(opened: Opened, session: Session, outcome: Outcome, seconds: float) -> EvaluationReport:
    values = _values(outcome.values)
    baseline = None if outcome.baseline is None else _values(outcome.baseline)
    ratio = {name: values[name] / other for name, other in (baseline or {}).items() if other and math.isfinite(other)}
    providers = {f"metric {name}": str(use.entry.provider) for name, use in session.pipeline.metrics.items()}
    versions = {"python": platform.python_version(), "translate-images": __version__, "torch": str(torch.__version__)}
    return EvaluationReport(
        run=opened.run_folder.resolve().name,
        checkpoint=str(opened.checkpoint),
        step=opened.step,
        split=LATENTS if session.held_out is None else session.split,
        n=session.number,
        values=values,
        intervals=_intervals(outcome.values),
        baseline=baseline,
        baseline_intervals=_intervals(outcome.baseline or {}),
        ratio=ratio,
        unavailable=outcome.unavailable,
        overlap=outcome.overlap,
        seconds=round(seconds, 3),
        device=_device_text(session.model.device),
        versions=versions | providers,
        warnings=tuple(_warnings(session, outcome)),
    )


def _warnings(session: Session, outcome: Outcome) -> Iterator[str]:
    n = session.number
    if n < SMALL_SET:
        yield f"only {n} examples: differences may be chance (at least {SMALL_SET} are advisable)"
    if session.held_out is not None and session.split == "train":
        yield "measured on the training split: this says nothing about new pictures"
    if outcome.overlap:
        yield f"{outcome.overlap} of {n} examples have a picture that is in the training data too"
    for name, found in outcome.values.items():
        if not math.isfinite(found.value):
            yield f"{name} is {found.value}; the JSON file says null"
    for name, reason in outcome.unavailable.items():
        yield f"{name} is unavailable: {reason}"
    yield from outcome.warnings


def _written(report: EvaluationReport, folder: Path, outcome: Outcome) -> EvaluationReport:
    """Write the report and the pictures; the report then names both."""
    stem = f"evaluation-{report.split}-{report.step:06d}"
    files = [folder / f"{stem}.json"]
    if outcome.columns:
        files.append(folder / f"{stem}.png")
    report = replace(report, files=tuple(files))
    write_json(report, files[0])
    if outcome.columns:
        columns = {title: unit_to_bytes(images.numpy()) for title, images in outcome.columns.items()}
        write_picture(files[1], picture_grid(columns))
    return report


def _values(found: Mapping[str, Measured]) -> dict[str, float]:
    return {name: each.value for name, each in found.items()}


def _intervals(found: Mapping[str, Measured]) -> dict[str, tuple[float, float]]:
    return {name: each.interval for name, each in found.items() if each.interval is not None}


def _device_text(device: torch.device) -> str:
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def _silent(_stage: str, _done: int, _total: int) -> None:
    """No progress is shown."""
