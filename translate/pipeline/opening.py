"""Opening a pipeline's data."""

from __future__ import annotations

import os
from dataclasses import replace

from translate.data.examples import StreamSettings
from translate.data.request import DataRequest, Dataset, Problems, Split
from translate.data.stream import Stream
from translate.errors import ANYTHING, ComponentError, DataError, PipelineError, PluginError, TranslateError
from translate.generators import own_seed, seeded
from translate.pipeline.settings import Pipeline

MOST_WORKERS = 4


def open_dataset(pipeline: Pipeline, split: Split = "train", problems: Problems | None = None) -> Dataset:
    """Open the pipeline's dataset.

    Args:
        pipeline: Which dataset, with which settings.
        split: Which part of it.
        problems: Where given, what is wrong with the data is added to it as far as it can be passed over.

    Raises:
        DataError: The data is missing or wrong.
        PipelineError: The dataset refuses its settings.
        PluginError: The dataset fails with something of its own.
    """
    low, high = pipeline.data.value_range
    request = DataRequest(
        split=split,
        image_size=pipeline.data.size,
        seed=pipeline.training.seed,
        value_range=(low, high),
        skip_bad=pipeline.data.on_bad_image == "skip" or problems is not None,
        problems=problems,
    )
    try:
        with seeded(own_seed(pipeline.training.seed, "data")):
            dataset: Dataset = pipeline.dataset.create(request)
    except ComponentError as exc:
        message = exc.sentences
        raise PipelineError([pipeline.problem(("data",), f"{message} ({_origin(pipeline)})")]) from exc
    except (TranslateError, OSError, MemoryError):  # the data's own errors, and the machine's
        raise
    except ANYTHING as exc:
        first = str(exc).strip().splitlines()[0] if str(exc).strip() else ""
        raise PluginError(
            f"{_origin(pipeline)} failed: {type(exc).__name__}: {first}",
            where=str(pipeline.document.position(("data", "dataset"))),
            fix=f"report this to the authors of {pipeline.dataset.entry.provider.distribution}",
        ) from exc
    if len(dataset) == 0:
        fix = "add pictures to it, or choose another split or other shares"
        raise DataError(f"the {split} split holds no example", where=_origin(pipeline), fix=fix)
    return dataset


def _origin(pipeline: Pipeline) -> str:
    return f"dataset '{pipeline.dataset.name}' from {pipeline.dataset.entry.provider}"


def stream_settings(pipeline: Pipeline, *, train: bool = True) -> StreamSettings:
    """How examples become tensors; augmentation and worker processes only for training."""
    low, high = pipeline.data.value_range
    return StreamSettings(
        image_size=pipeline.data.size,
        transforms=tuple(pipeline.data.transforms) if train else (),
        interpolation=pipeline.data.interpolation,
        value_range=(low, high),
        workers=worker_count(pipeline) if train else 0,
        seed=pipeline.training.seed,
        skip_bad=pipeline.data.on_bad_image == "skip",
        worker_timeout=pipeline.data.worker_timeout,
    )


def worker_count(pipeline: Pipeline) -> int:
    """Loader processes: as asked, or one for each spare processor, at most four."""
    asked = pipeline.data.workers
    if asked != "auto":
        return asked
    spare = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(MOST_WORKERS, spare // pipeline.training.devices - 1))


def open_stream(
    pipeline: Pipeline,
    split: Split,
    *,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    train: bool | None = None,
    complete: bool = False,
) -> Stream:
    """Open a split as a stream; by default only the training split is augmented.

    Args:
        pipeline: Which data.
        split: Which part of it.
        batch_size: See `Stream`.
        rank: Likewise.
        world_size: Likewise.
        train: Whether examples are augmented; None = those of the training split.
        complete: Whether every example must be readable, whatever the pipeline says: for measuring.

    Raises:
        DataError: The data is missing or wrong.
    """
    settings = stream_settings(pipeline, train=split == "train" if train is None else train)
    if complete:
        settings = replace(settings, skip_bad=False)
    dataset = open_dataset(pipeline, split)
    return Stream(dataset, settings, batch_size=batch_size, rank=rank, world_size=world_size)
