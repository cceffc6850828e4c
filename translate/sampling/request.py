"""A request, and what it says of single inputs: values that are set, pictures that are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from translate.errors import UsageError
from translate.inference.pixels import Picture, as_pictures
from translate.inference.translator import InputInfo, check_size
from translate.pictures import shown
from translate.sampling.values import find, listing, typed, whole
from translate.sampling.words import MOST_STEPS, Target, read_numbers, read_target

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be sampled; see `sample`."""

    count: int | None = None
    seed: int = 0
    label: int | None = None
    settings: Mapping[str, Any] | Sequence[str] = ()
    pictures: Mapping[str, Picture] | Sequence[str] = ()
    sweep: str | None = None
    rows: str | None = None
    columns: str | None = None
    interpolate: str | None = None
    law: str | None = None
    frames: int | None = None


def check_numbers(request: Request, batch: int, threads: int | None) -> None:
    """Refuse numbers that are out of range.

    Raises:
        UsageError: Names the first.
    """
    least = {"count": 1, "seed": 0, "batch": 1, "threads": 1, "frames": 2}
    given = {
        "count": request.count,
        "seed": request.seed,
        "batch": batch,
        "threads": threads,
        "frames": request.frames,
    }
    for name, value in given.items():
        if value is not None and value < least[name]:
            raise UsageError(f"--{name} must be at least {least[name]} (got {value})")
    if request.frames is not None and request.frames > MOST_STEPS:
        raise UsageError(f"--frames must be at most {MOST_STEPS} (got {request.frames})")


def read_settings(inputs: Sequence[InputInfo], request: Request, where: str) -> list[tuple[Target, Array]]:
    """The values that are set, checked: whole values first, then single elements.

    Raises:
        UsageError: There is no such input, or it takes no such value.
    """
    given = request.settings
    if isinstance(given, Mapping):
        pairs = [(str(name), value) for name, value in given.items()]
    else:
        pairs = []
        for word in given:
            name, equals, text = word.partition("=")
            if not equals:
                raise UsageError(f"--set: '{word}' has no value", fix=f"--set {name}=1")
            pairs.append((name, read_numbers(text, f"--set {word}")))
    result = []
    for name, value in pairs:
        target = read_target(name, "--set")
        info = find(inputs, target, "--set", where)
        checked = whole(info, value, "--set") if target.element is None else _number(target, value, info)
        result.append((target, checked))
    if request.label is not None:
        result.append(_label(inputs, request.label, where))
    names = [str(target) for target, _ in result]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"'{twice[0]}' is set twice", where=where)
    return sorted(result, key=lambda pair: pair[0].element is not None)  # a whole value, then its elements


def _label(inputs: Sequence[InputInfo], label: int, where: str) -> tuple[Target, Array]:
    labels = [info for info in inputs if info.kind == "label"]
    labels = [info for info in labels if info.law is None] or labels
    if len(labels) != 1:
        found = ", ".join(info.name for info in labels)
        what = f"--label: the export has several labels ({found})" if labels else "--label: the export has no label"
        fix = f"--set {labels[0].name}={label}" if labels else "leave --label out, or --set another input"
        raise UsageError(f"{what}; its inputs: {listing(inputs)}", where=where, fix=fix)
    return Target(name=labels[0].name), whole(labels[0], label, "--label")


def read_pictures(inputs: Sequence[InputInfo], request: Request, where: str) -> dict[str, Array]:
    """The pictures that are given, each 1 x H x W x C as its input takes it.

    Raises:
        UsageError: It is not clear which input a picture is for, or there is no such file.
        DataError: A picture cannot be read.
        ModelFileError: The export takes another size.
    """
    images = [info for info in inputs if info.kind == "image"]
    names, given = [info.name for info in images], request.pictures
    pairs: list[tuple[str, Picture]] = []
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        for word in given:
            name, equals, file = word.partition("=")
            if equals and name in names:
                pairs.append((name, file))
            elif len(names) == 1:
                pairs.append((names[0], word))
            else:
                form = f"--input {names[0]}=FILE" if names else "leave --input out"
                what = f"--input: which picture is '{word}'?" if names else "--input: the export takes no picture"
                raise UsageError(f"{what} Inputs: {listing(inputs)}.", where=where, fix=form)
    found = {}
    for name, picture in pairs:
        if name not in names:
            what = f"the export takes no picture '{name}'. Inputs: {listing(inputs)}."
            raise UsageError(what, where=where)
        if name in found:
            raise UsageError(f"--input: the picture '{name}' is given twice", where=where)
        found[name] = _picture(images[names.index(name)], picture, where)
    return found


def _picture(info: InputInfo, picture: Picture, where: str) -> Array:
    if isinstance(picture, str) and not Path(picture).exists():
        raise UsageError(f"--input: there is no file '{shown(picture)}'", fix=f"--input {info.name}=FILE")
    array, several = as_pictures(picture, info.channels, info.dtype)
    if several and len(array) != 1:
        raise UsageError(f"'{info.name}' takes one picture (got {len(array)})", fix="sample for one after another")
    check_size(info, array, where)
    return array


def _number(target: Target, value: Any, info: InputInfo) -> Array:
    numbers = np.asarray(value, dtype=np.float64)
    if numbers.size != 1 or not np.isfinite(numbers).all():
        raise UsageError(f"--set: '{target}' takes one number (got {value})")
    return typed(info, numbers.reshape(()), "--set")
