"""What varies along the rows or the columns of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from translate.errors import UsageError
from translate.inference.translator import InputInfo
from translate.sampling.paths import LAWS
from translate.sampling.values import (
    STEPS,
    can_vary,
    classes_of,
    described,
    find,
    law_of,
    typed,
    usual_range,
    whole,
)
from translate.sampling.words import MOST_STEPS, Target, evenly, read_sweep, read_target

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One input that varies.

    Attributes:
        kind: `values` (the same in every row), `draws` (one draw of the input after another), or `path` (from one draw
            to the next).
        target: The input, or an element of it.
        info: The input.
        titles: One for each step.
        values: Of kind `values`: what each step gives to the target.
        law: Of kind `path`: slerp or linear.
        smooth: Whether neighbouring steps are near each other, so that a film may go there and back.
    """

    kind: Literal["values", "draws", "path"]
    target: Target
    info: InputInfo
    titles: tuple[str, ...]
    values: tuple[Array, ...] = ()
    law: str = ""
    smooth: bool = False

    def __len__(self) -> int:
        return len(self.titles)

    def __str__(self) -> str:
        if self.kind == "draws":
            return f"{self.target}, {len(self)} draws"
        if self.kind == "path":
            return f"{self.target} from one draw to the next, {self.law}, {len(self)} frames"
        if len(self) <= STEPS:
            return f"{self.target} = {', '.join(self.titles)}"
        return f"{self.target} = {self.titles[0]} ... {self.titles[-1]}, {len(self)} values"


def sweep(inputs: Sequence[InputInfo], word: str, option: str, count: int, where: str) -> Axis:
    """The axis that a word asks for.

    `NAME` is every class of a label or a one-hot code, and `count` draws of other latents; `NAME[0]` goes through the
    usual range of its law; with `=VALUES` it takes these.

    Raises:
        UsageError: There is no such input, or it takes no such values.
    """
    target, numbers = read_sweep(word, option)
    info = find(inputs, target, option, where)
    classes = classes_of(info)
    if target.element is not None:
        return _elements(target, info, numbers, option)
    if numbers is None and classes is not None:
        if classes > MOST_STEPS:
            what = f"{option}: '{info.name}' has {classes} classes, and an axis takes {MOST_STEPS} of them at most"
            raise UsageError(what, where=where, fix=f"say which: {option} {info.name}=0:{STEPS - 1}:{STEPS}")
        numbers = tuple(range(classes))
    if numbers is None and law_of(info) not in {"", "constant"}:
        return Axis(kind="draws", target=target, info=info, titles=tuple(f"{info.name} {i}" for i in range(count)))
    if numbers is None:
        raise UsageError(f"{option}: which values should '{info.name}' take?", fix=f"{option} {info.name}=0:1:{STEPS}")
    return Axis(
        kind="values",
        target=target,
        info=info,
        titles=_titles(numbers),
        values=tuple(whole(info, number, option) for number in numbers),
        smooth=classes is None,
    )


def _elements(target: Target, info: InputInfo, numbers: tuple[float, ...] | None, option: str) -> Axis:
    if numbers is None:
        reach = usual_range(info)
        if reach is None:
            what = f"{option}: from where to where should '{target}' go? The law of '{info.name}' does not say"
            raise UsageError(what, fix=f"{option} {target}=-1:1:{STEPS}")
        numbers = evenly(*reach, STEPS)
    values = tuple(typed(info, np.asarray(number), option) for number in numbers)
    return Axis(kind="values", target=target, info=info, titles=_titles(numbers), values=values, smooth=True)


def path(inputs: Sequence[InputInfo], word: str, law: str | None, frames: int, where: str) -> Axis:
    """The axis of an interpolation; along the great circle where the latent is normal, straight where it is not.

    Raises:
        UsageError: There is no such input, it is no latent with values between its draws, or there is no such law.
    """
    target = read_target(word, "--interpolate")
    info = find(inputs, target, "--interpolate", where)
    if target.element is not None:
        fix = f"--sweep {target}"
        raise UsageError(f"--interpolate takes a whole latent (got '{target}')", where=where, fix=fix)
    if info.kind == "label" or not can_vary(info) or law_of(info) == "constant":
        what = f"--interpolate: there is nothing between two draws of '{info.name}' ({described(info)})"
        raise UsageError(what, where=where, fix=f"--sweep {info.name}")
    chosen = law or ("slerp" if law_of(info) in {"normal", "hypersphere"} else "linear")
    if chosen not in LAWS:
        raise UsageError(f"there is no law '{chosen}'", fix=f"--law {' or --law '.join(LAWS)}")
    titles = _titles(evenly(0.0, 1.0, frames))
    return Axis(kind="path", target=target, info=info, titles=titles, law=chosen, smooth=True)


def applied(axis: Axis, value: Array, rows: bool, draws: Array) -> Array:
    """The value of an input at each place of a grid, where an axis decides.

    Args:
        axis: Of kind `values` or `draws`.
        value: rows x columns x shape, as it is without the axis; is not changed.
        rows: Whether the axis goes along the rows.
        draws: Of kind `draws`: steps x shape.
    """
    steps = draws if axis.kind == "draws" else np.stack(axis.values)
    result = value.copy()
    whole_of_it = (...,) if axis.target.element is None else axis.target.element
    for step in range(len(axis)):
        place = (step, slice(None)) if rows else (slice(None), step)
        result[(*place, *whole_of_it)] = steps[step]
    return result


def travelled(axis: Axis, start: Array, end: Array) -> Array:
    """The values along a path: rows x columns x shape, from those at both of its ends."""
    law, shares = LAWS[axis.law], evenly(0.0, 1.0, len(axis))
    result = start.copy()
    for row in range(start.shape[0]):
        for step, share in enumerate(shares):
            result[row, step] = law(start[row, step], end[row, step], share)
    return result


def _titles(numbers: Sequence[float]) -> tuple[str, ...]:
    """Short, and all different where the numbers are."""
    for digits in (3, 6, 17):
        titles = tuple(f"{number:.{digits}g}" for number in numbers)
        if len(set(titles)) == len(set(numbers)):
            break
    return titles
