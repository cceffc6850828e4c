"""Datasets and observers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pluggy

from translate import hookspecs
from translate.data.examples import Examples, StreamSettings
from translate.data.request import Array, DataRequest, Dataset
from translate.specs import Image, Label, Spec, Vector
from translate.testing.rules import Case


def check_dataset(case: Case) -> None:
    """Fields that match the arrays; the same generator gives the same example; names for outputs."""
    request = case.sample.request or DataRequest(split="train", image_size=(32, 32), seed=1)
    dataset = case.build(request)
    with case.trying("fields", "`len` and `fields`"):
        count, fields = len(dataset), dict(dataset.fields)
    case.require(count > 0, "fields", "it has no examples")
    case.require(fields, "fields", "it has no fields")
    finished = set(getattr(dataset, "finished", ()))
    at_once = getattr(dataset, "batch", None)
    unknown = sorted(finished - set(fields))
    case.require(not unknown, "fields", f"{', '.join(unknown)} of `finished` is not among its fields")
    drawn = {name: spec for name, spec in fields.items() if name not in finished}
    for index in dict.fromkeys((0, count // 2, count - 1)):
        with case.trying("fields", f"example {index}"):
            example = dataset.example(index, np.random.default_rng(index))
            again = dataset.example(index, np.random.default_rng(index))
            name = dataset.name(index)
        found = sorted(example)
        case.require(found == sorted(drawn), "fields", f"example {index} has {found}, the dataset {sorted(drawn)}")
        for field, spec in drawn.items():
            problem = _problem(spec, example[field])
            case.require(not problem, "fields", f"'{field}' of example {index} is declared {spec}, but {problem}")
        same = all(np.array_equal(example[field], again[field]) for field in drawn)
        case.require(same, "deterministic", f"example {index} differs for the same generator")
        if finished:
            _check_finished(case, dataset, request, index)
        if at_once is not None:
            with case.trying("fields", f"`batch` of example {index}"):
                both = at_once([index, 0])
            same = all(np.array_equal(both[field][0], example[field]) for field in drawn)
            case.require(same, "deterministic", f"`batch` gives another example {index} than `example`")
        named = isinstance(name, str) and name and "/" not in name
        case.require(named, "fields", f"name({index}) must be the stem of a file name (got {name!r})")


def _check_finished(case: Case, dataset: Dataset, request: DataRequest, index: int) -> None:
    """An example as the stream gives it: resized, and with the fields that the dataset makes after that."""
    settings = StreamSettings(image_size=request.image_size, value_range=request.value_range)
    with case.trying("fields", f"finishing example {index}"):
        one, two = (Examples(dataset, settings).plain(index) for _ in range(2))
    for field, spec in Examples(dataset, settings).fields.items():
        problem = _problem(spec, one[field])
        case.require(not problem, "fields", f"'{field}' of example {index} is declared {spec}, but {problem}")
    same = all(np.array_equal(one[field], two[field]) for field in one)
    case.require(same, "deterministic", f"example {index} is finished in another way each time")


def _problem(spec: Spec, value: Any) -> str:
    """What is wrong with the array of a field, empty when nothing is."""
    if not isinstance(value, np.ndarray | np.generic):
        return f"is a {type(value).__name__}, not an array"
    return _array_problem(spec, np.asarray(value))


def _array_problem(spec: Spec, value: Array) -> str:
    shown = f"is {value.dtype} of shape {value.shape}"
    if isinstance(spec, Image):
        if value.ndim != 3 or value.shape[2] != spec.channels or value.dtype not in (np.uint8, np.uint16, np.float32):
            return f"{shown}; images are height x width x {spec.channels} in uint8, uint16 or float32"
        inside = value.dtype != np.float32 or bool(((value >= 0) & (value <= 1)).all())
        return "" if inside else "has values outside [0, 1]"
    if isinstance(spec, Label):
        if value.shape != () or value.dtype != np.int64:
            return f"{shown}; labels are int64 without a dimension"
        return "" if 0 <= value < spec.classes else f"is {value}"
    if isinstance(spec, Vector) and (value.shape != spec.shape or value.dtype != np.float32):
        return f"{shown}; vectors are float32 with one dimension"
    return "" if value.shape == spec.shape or isinstance(spec, Vector) else shown


def check_observer(case: Case) -> None:
    """Its methods are valid implementations of hooks, marked with `translate.hookimpl`."""
    observer = case.build()
    manager = pluggy.PluginManager("translate")
    manager.add_hookspecs(hookspecs)
    with case.trying("hooks", "registering it"):
        manager.register(observer)
        manager.check_pending()
    callers = manager.get_hookcallers(observer) or []
    marked = {caller.name for caller in callers}
    unmarked = [name for name in dir(observer) if name.startswith("translate_") and name not in marked]
    case.require(not unmarked, "hooks", f"{', '.join(unmarked)} is not marked with @translate.hookimpl")
    case.require(marked, "hooks", "it listens to no event")
    wrong = sorted(marked & {"translate_components", "translate_pipelines", "translate_commands"})
    case.require(not wrong, "hooks", f"{', '.join(wrong)} is for plugins; observers take events")
