"""What an input can be: the values of one example, checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from translate.errors import UsageError, did_you_mean
from translate.foreign import printable
from translate.inference.translator import InputInfo
from translate.sampling.words import Target

Array = np.ndarray[Any, np.dtype[Any]]

STEPS: Final = 10  # of a sweep whose values are not said: InfoGAN's figures have ten
REACH: Final = 2.0  # to both sides of a normal latent, in standard deviations; InfoGAN's figures again


def law_of(info: InputInfo) -> str:
    """Name of the law by which a latent is drawn; empty for all other inputs."""
    return printable((info.law or {}).get("name", ""), 80)


def classes_of(info: InputInfo) -> int | None:
    """How many classes there are where an input says which one, as a label or one-hot."""
    if law_of(info) == "categorical" and isinstance((info.law or {}).get("classes"), int):
        return int((info.law or {})["classes"])
    return info.classes if info.kind == "label" else None


def is_random(info: InputInfo) -> bool:
    """Whether two draws of an input differ."""
    return info.law is not None and law_of(info) != "constant"


def can_vary(info: InputInfo) -> bool:
    """Whether an input has a law, or classes to go through."""
    return info.law is not None or classes_of(info) is not None


def listing(inputs: Sequence[InputInfo]) -> str:
    """The inputs for an error: `z (vector of 100, normal), label (10 classes)`."""
    return ", ".join(f"{info.name} ({described(info)})" for info in inputs) or "none"


def described(info: InputInfo) -> str:
    """One input in words."""
    if info.kind == "image":
        sides = ["any" if side is None else str(side) for side in info.size]
        return f"picture {'x'.join(sides)}x{info.channels}"
    classes, law = classes_of(info), law_of(info)
    if classes is not None:
        return f"{classes} classes"
    shape = "x".join(map(str, info.example_shape))
    form = "label" if info.kind == "label" else f"{info.kind} of {shape}" if shape else "one number"
    if law == "constant":
        return f"{form}, {info.law and info.law.get('value')}"
    return f"{form}, {law}" if law else form


def find(inputs: Sequence[InputInfo], target: Target, option: str, where: str) -> InputInfo:
    """The input that a word speaks of.

    Raises:
        UsageError: There is none, it is a picture, or it has no such element; lists the inputs.
    """
    names = [info.name for info in inputs]
    if target.name not in names:
        what = f"{option}: the export has no input '{target.name}'.{did_you_mean(target.name, names)}"
        raise UsageError(f"{what} Inputs: {listing(inputs)}.", where=where)
    info = inputs[names.index(target.name)]
    if info.kind == "image":
        what = f"{option}: '{target.name}' is a picture"
        raise UsageError(what, where=where, fix=f"give its file: --input {target.name}=FILE")
    shape, element = info.example_shape, target.element
    inside = element is None or (
        len(element) == len(shape) and all(index < side for index, side in zip(element, shape, strict=True))
    )
    if not inside:
        text = f"its shape is {'x'.join(map(str, shape))}" if shape else "it is one number"
        raise UsageError(f"{option}: '{target.name}' has no element {target} ({text})", where=where)
    return info


def whole(info: InputInfo, given: Any, option: str) -> Array:
    """A value for one example: a class for labels and one-hot codes, one number for all elements, or one for each.

    An input of one number that is no label takes any number; what its type cannot hold is refused, not rounded.

    Args:
        info: The input.
        given: One number or several, in any form that numpy takes; read as float64.
        option: Named in the errors.

    Shape:
        That of one example, in the input's type.

    Raises:
        UsageError: It is none of these; says what the input takes.
    """
    classes, shape = classes_of(info), info.example_shape
    try:
        numbers = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise UsageError(f"{option}: '{info.name}' takes numbers (got {given!r})") from exc
    if not np.isfinite(numbers).all():
        raise UsageError(f"{option}: the value of '{info.name}' is not finite")
    if numbers.size == 1 and (classes is not None or info.kind == "label"):
        index = _class(info, float(numbers.ravel()[0]), classes, option)
        numbers = np.arange(shape[0]) == index if shape else np.asarray(index, dtype=np.float64)
    elif numbers.size == 1:
        numbers = np.full(shape, float(numbers.ravel()[0]))
    elif numbers.size != math.prod(shape):
        form = "one number" if not shape else f"one number, or {'x'.join(map(str, shape))} of them"
        raise UsageError(f"{option}: '{info.name}' ({described(info)}) takes {form} (got {numbers.size})")
    return typed(info, numbers.reshape(shape), option)


def typed(info: InputInfo, numbers: Array, option: str) -> Array:
    """Numbers in the type of an input.

    Raises:
        UsageError: The type does not hold them: they are no whole numbers where it has these alone, or too large.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result = numbers.astype(info.dtype)
    whole_numbers = np.issubdtype(result.dtype, np.integer)
    if not (np.array_equal(result, numbers) if whole_numbers else np.isfinite(result).all()):
        text = ", ".join(f"{number:g}" for number in np.ravel(numbers)[:8])
        raise UsageError(f"{option}: '{info.name}' takes numbers of the type {info.dtype} (got {text})")
    return result


def _class(info: InputInfo, number: float, classes: int | None, option: str) -> int:
    if number != int(number) or number < 0 or (classes is not None and number >= classes):
        most = "whole numbers from 0" if classes is None else f"the classes 0 to {classes - 1}"
        raise UsageError(f"{option}: '{info.name}' takes {most} (got {number:g})")
    return int(number)


def usual_range(info: InputInfo) -> tuple[float, float] | None:
    """From where to where an element is swept when nothing is said; None where its law does not say."""
    law, name = info.law or {}, law_of(info)
    if name == "normal":
        reach = REACH * float(law.get("std", 1.0))
        return -reach, reach
    if name == "uniform":
        return float(law.get("low", -1.0)), float(law.get("high", 1.0))
    if name == "hypersphere":
        reach = REACH * float(law.get("radius", 1.0)) / math.sqrt(math.prod(info.example_shape))
        return -reach, reach
    return None
