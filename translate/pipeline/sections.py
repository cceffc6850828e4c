"""Reading the sections that no phase changes: data, training, preview, export, evaluation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from translate.components import Catalogue
from translate.pipeline.expressions import Expression
from translate.pipeline.reading import DATA_KEYS, Reader
from translate.pipeline.settings import (
    NETWORK_KEYS,
    DataKeys,
    EvaluationKeys,
    Export,
    ExportKeys,
    InferenceKeys,
    TrainingKeys,
    Use,
)

DEFAULT_OBSERVERS = ("terminal", "metrics_file", "samples", "tensorboard", "health")


def read_data(reader: Reader) -> tuple[Use | None, DataKeys]:
    """Read `data`: the dataset with its parameters, and the core's own keys."""
    section = reader.mapping(("data",), reader.data.get("data"), "`dataset: NAME` and its parameters")
    if not section:
        reader.problem(("data",), "a pipeline needs `data: {dataset: NAME, ...}`", of="key")
        return None, DataKeys()
    dataset = reader.use(("dataset",), ("data",), section, core=DATA_KEYS)
    core = {key: item for key, item in section.items() if key in DATA_KEYS}
    keys = reader.section(DataKeys, ("data",), core) or DataKeys()
    low, high = keys.value_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        text = f"must be two numbers, the first below the second (got {keys.value_range})"
        reader.problem(("data", "value_range"), text)
    if keys.transforms:
        from translate.data.transforms import check_transforms

        for where, message in check_transforms(keys.transforms):
            reader.problem(("data", "transforms", *where), message)
    return dataset, keys


def read_networks(reader: Reader) -> dict[str, Use]:
    """Read `networks`: each a generator or a discriminator, with the parametrisation of its weights."""
    networks = reader.uses(("generator", "discriminator"), "networks", core=NETWORK_KEYS)
    for name, use in networks.items():
        given = reader.data["networks"][name]
        value = given.get("weights") if isinstance(given, Mapping) else None
        if value is not None:
            weights = reader.use(("parametrization",), ("networks", name, "weights"), value)
            networks[name] = replace(use, weights=weights)
    return networks


def read_training(reader: Reader) -> tuple[TrainingKeys, tuple[Use, ...]]:
    """Read `training` without its optimisers, which belong to the phases (as the size of a batch, checked there)."""
    section = reader.mapping(("training",), reader.data.get("training"), "settings")
    keys = reader.section(TrainingKeys, ("training",), section) or TrainingKeys()
    listed: Sequence[Any] = keys.observers if keys.observers is not None else _default_observers(reader.catalogue)
    uses = [reader.use(("observer",), ("training", "observers", i), item) for i, item in enumerate(listed)]
    return keys, tuple(use for use in uses if use is not None)


def _default_observers(catalogue: Catalogue) -> list[str]:
    known = catalogue.names("observer")
    return [name for name in DEFAULT_OBSERVERS if name in known and (name != "tensorboard" or find_spec("tensorboard"))]


def read_inference(reader: Reader) -> InferenceKeys:
    """Read `inference`."""
    section = reader.mapping(("inference",), reader.data.get("inference"), "settings")
    return reader.section(InferenceKeys, ("inference",), section) or InferenceKeys()


def read_preview(reader: Reader) -> tuple[Expression, ...]:
    """Read `preview`."""
    listed = reader.listed(("preview",), reader.data.get("preview"), "expressions")
    parsed = [reader.expression(("preview", index), item) for index, item in enumerate(listed)]
    return tuple(expression for expression in parsed if expression is not None)


def read_exports(reader: Reader) -> dict[str, Export]:
    """Read `export`."""
    exports = {}
    for name, value in reader.mapping(("export",), reader.data.get("export"), "names to exports").items():
        path = ("export", name)
        keys = reader.section(ExportKeys, path, reader.mapping(path, value, "`inputs` and `output`"))
        output = reader.expression((*path, "output"), keys.output) if keys else None
        if keys and output is not None:
            exports[name] = Export(inputs=tuple(keys.inputs), output=output)
    return exports


def read_evaluation(reader: Reader) -> tuple[EvaluationKeys, dict[str, Use]]:
    """Read `evaluation`."""
    section = reader.mapping(("evaluation",), reader.data.get("evaluation"), "split, metrics, baseline")
    keys = reader.section(EvaluationKeys, ("evaluation",), section) or EvaluationKeys()
    metrics: Mapping[str, Any] = keys.metrics
    uses = {name: reader.use(("metric",), ("evaluation", "metrics", name), item) for name, item in metrics.items()}
    return keys, {name: use for name, use in uses.items() if use is not None}
