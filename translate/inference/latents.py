"""Drawing latents by the law that an exported file states.

A law is its name and its numbers. Those that are drawn here:

| law | numbers |
|---|---|
| `normal` | `std` (1 where it is not said) |
| `hypersphere` | `radius` |
| `uniform` | `low` and `high` (-1 and 1 where they are not said) |
| `categorical` | `classes`; `one_hot` (true where it is not said) |
| `constant` | `value` |

Any other is known to its component alone. What a file says is checked before anything is drawn by it: no number of a
file decides how much memory is taken.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from translate.errors import ModelFileError
from translate.foreign import printable

Array = np.ndarray[Any, np.dtype[Any]]

_NUMBERS: Final[Mapping[str, Mapping[str, float | None]]] = {
    "normal": {"std": 1.0},
    "hypersphere": {"radius": None},
    "uniform": {"low": -1.0, "high": 1.0},
    "categorical": {"classes": None},
    "constant": {"value": None},
}
"""The numbers of each law and what they are where a file does not say; None = it must."""

_TYPES: Final = ("float32", "int64")
_LARGEST: Final = float(np.finfo(np.float32).max)
_MOST_VALUES: Final = 2**28  # of one example, as of a picture
_MOST_CLASSES: Final = 2**63 - 1  # int64


def draw(
    law: Mapping[str, Any], shape: Sequence[int], dtype: str, indices: Sequence[int], seed: int, *, name: str
) -> Array:
    """Draw one value for each index; it depends on (seed, index, name) alone, not on how examples are batched.

    The name is in it so that two latents of one law are independent of each other.

    Args:
        law: One of the module's table, as `{"name": "normal", "std": 1.0}`.
        shape: Of one example.
        dtype: float32 or int64.
        indices: Numbers of the examples.
        seed: Not negative.
        name: The latent's.

    Raises:
        ModelFileError: The law is unknown, or there is no drawing by its numbers.
    """
    numbers, problem = _numbers(law), law_problem(law, shape, dtype)
    if numbers is None or problem:
        because = f": {problem}" if problem else ""
        what = f"latents of the law {written(law)} cannot be drawn here{because}"
        raise ModelFileError(what, where=f"the input '{name}'", fix="give the latent's values yourself")
    key = zlib.crc32(name.encode())
    one_hot = law.get("one_hot", True)
    drawn = [
        _one(str(law["name"]), numbers, shape, np.random.default_rng([seed, index, key]), one_hot=one_hot)
        for index in indices
    ]
    return np.stack(drawn).astype(dtype)


def law_problem(law: Mapping[str, Any], shape: Sequence[int], dtype: str) -> str:
    """Why nothing can be drawn by a law of the module's table; empty where it can, and for all other laws.

    Args:
        law: As a file states it, of any content.
        shape: Of one example.
        dtype: Of the input.
    """
    numbers = _numbers(law)
    if numbers is None:
        return ""
    if dtype not in _TYPES:
        return f"it is of type {printable(dtype)}, not {' or '.join(_TYPES)}"
    if math.prod(shape) > _MOST_VALUES:
        return f"it has more than {_MOST_VALUES} values"
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
            return f"`{key}` must be a finite number (got {written(value)})"
    if law["name"] == "uniform" and numbers["low"] > numbers["high"]:
        return f"`low` is above `high` ({numbers['low']:g} and {numbers['high']:g})"
    return _class_problem(law, numbers["classes"], shape) if law["name"] == "categorical" else ""


def _class_problem(law: Mapping[str, Any], classes: Any, shape: Sequence[int]) -> str:
    problem, one_hot = classes_problem(classes), law.get("one_hot", True)
    if problem:
        return problem
    if not isinstance(one_hot, bool):
        return f"`one_hot` must be true or false (got {written(one_hot)})"
    wanted = (classes,) if one_hot else ()
    if tuple(shape) != wanted:
        form = "one-hot code" if one_hot else "label"
        return f"a {form} of {classes} classes has not the shape {'x'.join(map(str, shape)) or 'of one number'}"
    return ""


def classes_problem(classes: Any) -> str:
    """What is wrong with a number of classes; empty where nothing is."""
    if isinstance(classes, bool) or not isinstance(classes, int) or not 1 <= classes <= _MOST_CLASSES:
        return f"`classes` must be a whole number from 1 (got {written(classes)})"
    return ""


def written(value: Any) -> str:
    """What a file says, for a message: as JSON, printable and cut."""
    return printable(json.dumps(value, default=str), 80)


def _numbers(law: Mapping[str, Any]) -> dict[str, Any] | None:
    """The numbers of a law; None where it is not drawn here."""
    usual = _NUMBERS.get(str(law.get("name")))
    found = None if usual is None else {key: law.get(key, number) for key, number in usual.items()}
    return None if found is None or None in found.values() else found


def _one(
    name: str, numbers: Mapping[str, Any], shape: Sequence[int], generator: np.random.Generator, *, one_hot: bool
) -> Any:
    if name == "normal":
        return float(numbers["std"]) * generator.standard_normal(tuple(shape))
    if name == "hypersphere":
        drawn = generator.standard_normal(tuple(shape))
        return float(numbers["radius"]) * drawn / np.linalg.norm(drawn)
    if name == "uniform":
        return generator.uniform(float(numbers["low"]), float(numbers["high"]), tuple(shape))
    if name == "categorical":
        chosen = generator.integers(numbers["classes"])
        return np.arange(numbers["classes"]) == chosen if one_hot else chosen
    return np.full(tuple(shape), float(numbers["value"]))
