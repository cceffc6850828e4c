"""Opening a pipeline's data."""

from __future__ import annotations

import os

from translate.data.examples import StreamSettings
from translate.data.request import Dataset, DataRequest, Split
from translate.data.stream import Stream
from translate.errors import ComponentError, DataError, TranslateError
from translate.pipeline.settings import Pipeline

MOST_WORKERS = 4


def open_dataset(pipeline: Pipeline, split: Split = "train") -> Dataset:
    """Open the pipeline's dataset.

    Raises:
        DataError: The data is missing or wrong.
        ComponentError: The dataset refuses its settings.
    """
    low, high = pipeline.data.value_range
    request = DataRequest(
        split=split, image_size=pipeline.data.size, seed=pipeline.training.seed, value_range=(low, high)
    )
    try:
        dataset: Dataset = pipeline.dataset.create(request)
    except TranslateError as exc:
        if isinstance(exc, ComponentError) and exc.where is None:
            exc.where = str(pipeline.document.position(("data",)))
        raise
    if len(dataset) == 0:
        raise DataError(f"the {split} split holds no example", where=f"dataset {pipeline.dataset.name}")
    return dataset


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
    )


def worker_count(pipeline: Pipeline) -> int:
    """Loader processes: as asked, or one for each spare processor, at most four."""
    asked = pipeline.data.workers
    if asked != "auto":
        return asked
    spare = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(MOST_WORKERS, spare // pipeline.training.devices - 1))


def open_stream(
    pipeline: Pipeline, split: Split, *, batch_size: int, rank: int = 0, world_size: int = 1, train: bool | None = None
) -> Stream:
    """Open a split as a stream; by default only the training split is augmented.

    Raises:
        DataError: The data is missing or wrong.
    """
    settings = stream_settings(pipeline, train=split == "train" if train is None else train)
    dataset = open_dataset(pipeline, split)
    return Stream(dataset, settings, batch_size=batch_size, rank=rank, world_size=world_size)
