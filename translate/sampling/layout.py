"""A request brought together with an export: what all inputs are at each place of a grid.

Rows and columns. Without any axis, each picture is one draw of all latents. With an axis along the columns, each row is
one draw, and all other latents stay within it; with one along the rows, each column is one. With both, all others stay
as in draw 0. A label of the data that is neither set nor varied goes along the columns, every class one, where these
are free (beside rows of values, a count asks for them) and the classes no more than 32; else draw i has class i, in a
circle.

A way from one draw to the next is that of the draws alone; single elements that are set or varied stand in for those of
the point that is reached, so that each has its value all along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from translate.errors import UsageError
from translate.inference.translator import InputInfo
from translate.sampling.axes import Axis, applied, path, sweep, travelled
from translate.sampling.request import Request, read_pictures, read_settings
from translate.sampling.sources import Source
from translate.sampling.values import can_vary, classes_of, described, is_random, listing
from translate.sampling.words import Target

Array = np.ndarray[Any, np.dtype[Any]]

PICTURES: Final = 64  # of a plain grid
ROWS: Final = 8  # beside an axis
MOST_CLASSES: Final = 32  # that become columns without being asked for
FRAMES: Final = 16  # of an interpolation


@dataclass
class Layout:
    """A request brought together with an export.

    Args:
        source: The export.
        request: The request.

    Attributes:
        rows: What varies along the rows.
        columns: What varies along the columns.
        shape: Rows and columns.
    """

    source: Source
    request: Request
    rows: Axis | None = field(init=False, default=None)
    columns: Axis | None = field(init=False, default=None)
    shape: tuple[int, int] = field(init=False, default=(1, 1))

    def __post_init__(self) -> None:
        self._where = self.source.where
        self._settings = read_settings(self.source.inputs, self.request, self.source.where)
        self._pictures = read_pictures(self.source.inputs, self.request, self.source.where)
        self._choose_axes()
        self._check_settings()
        self._check_given()
        count = self._count()
        if self.rows is not None and self.columns is not None:
            self.shape, self._numbers = (len(self.rows), len(self.columns)), [[0] * len(self.columns)] * len(self.rows)
        elif self.rows is not None:
            self.shape, self._numbers = (len(self.rows), count), [list(range(count))] * len(self.rows)
        else:
            width = len(self.columns) if self.columns is not None else 1
            self.shape, self._numbers = (count, width), [[row] * width for row in range(count)]

    def run(self, batch: int) -> Array:
        """Compute everything: rows x columns x the shape of one example."""
        rows, columns = self.shape
        total = rows * columns
        flat = {
            info.name: value.reshape(total, *value.shape[2:])
            for info in self.source.inputs
            if info.kind != "image"
            for value in [self.values(info)]
        }
        parts = []
        for start in range(0, total, batch):
            number = min(batch, total - start)
            values = {name: value[start : start + number] for name, value in flat.items()}
            values |= {name: np.repeat(value, number, axis=0) for name, value in self._pictures.items()}
            parts.append(self.source.run(values, number))
        made = np.concatenate(parts)
        return made.reshape(rows, columns, *made.shape[1:])

    def values(self, info: InputInfo) -> Array:
        """An input at each place of the grid: rows x columns x its shape. Whole values first, then single elements."""
        value = self._base(info, 0)
        for axis in self._axes(info):
            if axis.kind == "path":
                value = travelled(axis, value, self._base(info, 1))
            else:
                drawn = self._draws(info, range(len(axis))) if axis.kind == "draws" else value
                value = applied(axis, value, axis is self.rows, drawn)
        for target, given in self._settings:
            if target.name == info.name and target.element is not None:
                place: Any = (slice(None), slice(None), *target.element)
                value[place] = given
        return value

    def description(self, made: Array) -> tuple[str, ...]:
        """What was done, in lines."""
        rows, columns = self.shape
        size = "x".join(map(str, made.shape[2:])) or "1"
        what = "pictures" if self.source.makes_pictures else "outputs"
        origin = f" of export '{self.source.export}'" if self.source.export else ""
        step = f" at step {self.source.step}" if self.source.step else ""
        lines = [f"{rows * columns} {what} of {size}, {made.dtype}{origin}{step}"]
        drawn = [f"{info.name} ({described(info)})" for info in self.source.inputs if self._is_drawn(info)]
        if drawn:
            lines.append(f"drawn with seed {self.request.seed}: {', '.join(drawn)}")
        infos = {info.name: info for info in self.source.inputs}
        lines += [f"{target} = {_short(infos[target.name], value)}" for target, value in self._settings]
        if self.rows is not None:
            lines.append(f"along the rows: {self.rows}")
        if self.columns is not None:
            lines.append(f"along the columns: {self.columns}")
        return tuple(lines)

    # -- rows and columns -------------------------------------------------------------------------------------------

    def _choose_axes(self) -> None:
        request = self.request
        asked = {"--sweep": request.sweep, "--columns": request.columns, "--interpolate": request.interpolate}
        several = [option for option, word in asked.items() if word is not None]
        if len(several) > 1:
            what = f"{' and '.join(several)} both go along the columns"
            raise UsageError(what, fix="put one of them along the rows: --rows")
        for option, given, usual in (("--law", request.law, "slerp"), ("--frames", request.frames, FRAMES)):
            if given is not None and request.interpolate is None:
                raise UsageError(f"{option} is for --interpolate", fix=f"--interpolate NAME {option} {given or usual}")
        inputs, count = self.source.inputs, request.count or ROWS
        if request.rows is not None:
            self.rows = sweep(inputs, request.rows, "--rows", count, self._where)
        for option in several[:1]:
            word = str(asked[option])
            if option == "--interpolate":
                self.columns = path(inputs, word, request.law, request.frames or FRAMES, self._where)
            else:
                self.columns = sweep(inputs, word, option, count, self._where)
        if self.columns is None:
            self.columns = self._every_class()
        if self.rows is not None and self.columns is not None and self.rows.target == self.columns.target:
            raise UsageError(f"'{self.rows.target}' cannot vary along both rows and columns", where=self._where)
        kinds = [axis.kind for axis in (self.rows, self.columns) if axis is not None]
        if request.count is not None and len(kinds) > 1 and "draws" not in kinds:
            what = "--count: with both rows and columns there is one draw"
            raise UsageError(what, where=self._where, fix="leave --count out, or let draws vary: --rows NAME")

    def _every_class(self) -> Axis | None:
        """The columns that a label of the data becomes by itself; none where a count asks for draws there."""
        if self.request.count is not None and self.rows is not None and self.rows.kind != "draws":
            return None
        for info in self.source.inputs:
            classes, taken = classes_of(info), self.rows is not None and self.rows.info.name == info.name
            free = info.kind == "label" and info.law is None and not self._is_set(info) and not taken
            if free and classes is not None and classes <= MOST_CLASSES:
                return sweep(self.source.inputs, info.name, "--columns", 1, self._where)
        return None

    def _is_set(self, info: InputInfo) -> bool:
        return any(target.name == info.name and target.element is None for target, _ in self._settings)

    def _check_settings(self) -> None:
        """Refuse a setting that an axis would overwrite."""
        for axis in (self.rows, self.columns):
            for target, _ in self._settings:
                if axis is None or target.name != axis.target.name:
                    continue
                if target == axis.target or (axis.target.element is None and axis.kind != "path"):
                    raise UsageError(f"'{target}' is set and varied at once", where=self._where, fix="leave one out")

    def _check_given(self) -> None:
        """Every input has a value from somewhere, and something can be drawn."""
        for info in self.source.inputs:
            axes = [axis for axis in self._axes(info) if axis.target.element is None]
            if info.kind == "image" and info.name not in self._pictures:
                what = f"the export needs a picture '{info.name}'. Inputs: {listing(self.source.inputs)}."
                raise UsageError(what, where=self._where, fix=f"--input {info.name}=FILE")
            if info.kind != "image" and not (can_vary(info) or self._is_set(info) or axes):
                what = f"the export needs '{info.name}' ({described(info)}), which has no law to draw it by"
                raise UsageError(what, where=self._where, fix=f"--set {info.name}=VALUE")
        if all(info.kind == "image" for info in self.source.inputs):
            what = f"there is nothing to draw. Inputs: {listing(self.source.inputs)}."
            raise UsageError(what, where=self._where, fix="translate run FILE.onnx INPUT... --output FOLDER")

    # -- values -----------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        """How many draws there are; one where nothing is drawn."""
        if self.request.count is not None:
            return self.request.count
        free = [info for info in self.source.inputs if self._is_drawn(info) or self._goes_in_a_circle(info)]
        if not free:
            return 1
        return PICTURES if self.rows is None and self.columns is None else ROWS

    def _is_drawn(self, info: InputInfo) -> bool:
        return is_random(info) and not self._is_covered(info)

    def _is_covered(self, info: InputInfo) -> bool:
        """Whether nothing of an input's own value is left."""
        replaced = any(axis.target.element is None and axis.kind == "values" for axis in self._axes(info))
        return replaced or self._is_set(info)

    def _goes_in_a_circle(self, info: InputInfo) -> bool:
        varied = any(axis.target.element is None for axis in self._axes(info))
        return info.law is None and classes_of(info) is not None and not self._is_set(info) and not varied

    def _axes(self, info: InputInfo) -> list[Axis]:
        """The axes that concern an input: whole values before elements."""
        axes = [axis for axis in (self.rows, self.columns) if axis is not None and axis.target.name == info.name]
        return sorted(axes, key=lambda axis: axis.target.element is not None)

    def _base(self, info: InputInfo, later: int) -> Array:
        """The value at each place without axes and elements: what is set, or a draw, or one that many draws later."""
        numbers = np.asarray(self._numbers) + later
        value: Array = self._draws(info, range(int(numbers.max()) + 1))[numbers]
        for target, given in self._settings:
            if target == Target(name=info.name):
                value[:] = given
        return value

    def _draws(self, info: InputInfo, numbers: Sequence[int]) -> Array:
        shape, classes = info.example_shape, classes_of(info)
        if self._is_covered(info):
            return np.zeros((len(numbers), *shape), dtype=info.dtype)
        if info.law is None:
            circle: Array = np.asarray(numbers, dtype=info.dtype) % (classes or 1)
            return circle
        return self.source.draw(info, numbers, self.request.seed)


def _short(info: InputInfo, value: Array) -> str:
    """What an input is set to, in words: a one-hot code by its class, all else by its numbers, eight at most."""
    if classes_of(info) is not None and value.ndim == 1 and np.count_nonzero(value) == 1 and value.max() == 1:
        return f"class {int(value.argmax())}"
    numbers = [f"{number:.6g}" for number in np.ravel(value)[:9]]
    return ", ".join(numbers if value.size <= 8 else [*numbers[:8], "..."])
