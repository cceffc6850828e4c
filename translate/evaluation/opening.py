"""What an evaluation works on: the run, its pipeline with overrides, and the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from translate.data.request import Split
from translate.data.stream import Stream
from translate.errors import DataError, UsageError, did_you_mean
from translate.pipeline.loading import read_pipeline
from translate.pipeline.merging import apply_overrides
from translate.pipeline.opening import open_stream
from translate.pipeline.settings import Pipeline
from translate.pipeline.staying import keys_that_stay
from translate.pipeline.unfinished import open_settings
from translate.plugin_manager import default_manager
from translate.specs import Image, Spec

if TYPE_CHECKING:
    from translate.training.opening import Opened

_SECTIONS = ("data", "evaluation")


def open_run(source: str | Path | Opened) -> Opened:
    """The run that a path leads to, or the opened run itself.

    Raises:
        UsageError: It is an exported file, which holds neither data nor metrics.
        ModelFileError: There is no complete checkpoint.
    """
    if not isinstance(source, str | Path):
        return source
    if str(source).endswith(".onnx"):
        raise UsageError(
            "an exported file cannot be evaluated; its run can",
            where=str(source),
            fix="give the run's folder or a checkpoint: both compute what the export was verified against",
        )
    from translate.training.opening import open_trained

    return open_trained(Path(source))


def overridden(opened: Opened, overrides: Sequence[str]) -> Pipeline:
    """The run's pipeline with other data or another measurement; networks and flow stay as they were trained.

    Raises:
        UsageError: An override concerns another section, or the pipeline names no metric.
        PipelineError: An override is wrong.
    """
    pipeline = opened.pipeline
    for override in overrides:
        section = override.partition("=")[0].partition(".")[0]
        if section not in _SECTIONS:
            raise UsageError(
                f"`{override}` cannot be changed for an evaluation.{did_you_mean(section, _SECTIONS)}",
                fix="override keys of `data` and `evaluation`, for example `data.root=FOLDER`",
            )
    if overrides or open_settings(pipeline.document):  # a checkpoint does not say where its data was
        document = apply_overrides(pipeline.document, overrides, keep=keys_that_stay(default_manager().catalogue))
        pipeline = read_pipeline(document, opened.game.catalogue, file=pipeline.file)
    if not pipeline.metrics:
        raise UsageError(
            "the pipeline names no metric, so there is nothing to measure",
            where="evaluation.metrics",
            fix="add one: `evaluation.metrics.l1={metric: l1, of: OUTPUT, to: TARGET}` (`translate list metrics`)",
        )
    return pipeline


def choose_split(pipeline: Pipeline, asked: str | None) -> Split:
    """The split to measure on: as asked, else as the pipeline says.

    Raises:
        DataError: There is no such split, or it is the training split without being asked for.
    """
    split: str = asked or pipeline.evaluation.split
    known: tuple[Split, ...] = get_args(Split)
    for each in known:
        if split == each and (each != "train" or asked):
            return each
    if split == "train":
        raise DataError(
            "evaluation.split is the training split: the numbers would say how well it was learned by heart",
            where=str(pipeline.document.position(("evaluation", "split"))),
            fix="use val or test; to measure on training data on purpose, ask for `--split train`",
        )
    what = f"there is no split '{split}'.{did_you_mean(split, known)}"
    raise DataError(what, where="split", fix=f"use one of {', '.join(known)}")


def open_split(pipeline: Pipeline, split: Split, batch_size: int, fields: Mapping[str, Spec]) -> Stream:
    """Open a split without augmentation, and check that it has what the networks were built for.

    Raises:
        DataError: The split cannot be opened, or its fields are not those of the training.
    """
    where = f"dataset {pipeline.dataset.name}, {split} split"
    try:
        stream = open_stream(pipeline, split, batch_size=batch_size, train=False, complete=split != "train")
    except DataError as exc:
        fix = exc.fix or "choose another split with --split, or another folder with `data.root=FOLDER`"
        raise DataError(f"the {split} split cannot be opened: {exc.what}", where=exc.where or where, fix=fix) from exc
    for name, wanted in fields.items():
        found = stream.fields.get(name)
        if found is None or not _fits(wanted, found):
            what = f"field '{name}' is {found or 'missing'}, but the networks were trained with {wanted}"
            raise DataError(what, where=where, fix="give data of the same fields as in training")
    return stream


def _fits(wanted: Spec, found: Spec) -> bool:
    """Whether a field can stand for one of training; images may have another size."""
    if isinstance(wanted, Image) and isinstance(found, Image):
        return (wanted.channels, wanted.low, wanted.high) == (found.channels, found.low, found.high)
    return wanted == found
