"""The words of a request: `NAME`, `NAME[INDEX]`, `NAME=VALUES`, with VALUES as `1,2.5` or `FROM:TO:STEPS`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from translate.errors import UsageError

MOST_STEPS: Final = 1000
_TARGET: Final = re.compile(r"([^\W\d]\w*)(?:\[\s*(\d+(?:\s*,\s*\d+)*)\s*\])?\Z")
_FORMS: Final = "NAME, NAME[0], NAME=1,2,3, NAME[0]=-2:2:10 (from, to, how many)"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a word speaks of.

    Attributes:
        name: Of an input.
        element: Of its value; None = the whole value.
    """

    name: str
    element: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return self.name if self.element is None else f"{self.name}[{','.join(map(str, self.element))}]"


def read_target(text: str, option: str) -> Target:
    """Read `NAME` or `NAME[INDEX]`; a map's element has an index of several numbers, `NAME[0,3,2]`.

    Raises:
        UsageError: It is neither.
    """
    found = _TARGET.match(text.strip())
    if not found:
        raise UsageError(f"{option}: '{text}' is no name of an input", fix=f"write one of {_FORMS}")
    element = None if found[2] is None else tuple(int(part) for part in found[2].split(","))
    return Target(name=found[1], element=element)


def read_sweep(text: str, option: str) -> tuple[Target, tuple[float, ...] | None]:
    """Read a target and the values that it is to take; None where they are not said.

    Raises:
        UsageError: It has another form.
    """
    name, equals, values = text.partition("=")
    return read_target(name, option), read_numbers(values, f"{option} {text}") if equals else None


def read_numbers(text: str, where: str) -> tuple[float, ...]:
    """Read `1,2.5`, or `FROM:TO:STEPS`: evenly spaced, both ends included.

    >>> read_numbers("-1:1:5", "")
    (-1.0, -0.5, 0.0, 0.5, 1.0)

    Raises:
        UsageError: It is neither, a number is not finite, or the steps are not 2 to 1000.
    """
    parts = text.split(":")
    if len(parts) not in {1, 3}:
        raise UsageError(f"{where}: a range has the form FROM:TO:STEPS (got '{text}')", fix="for example -2:2:10")
    if len(parts) == 1:
        return tuple(_number(part, where) for part in text.split(","))
    low, high = (_number(part, where) for part in parts[:2])
    steps = parts[2].strip()
    if not steps.isdecimal() or not 2 <= int(steps) <= MOST_STEPS:
        raise UsageError(f"{where}: the steps of a range are 2 to {MOST_STEPS} (got '{steps}')")
    return evenly(low, high, int(steps))


def evenly(low: float, high: float, steps: int) -> tuple[float, ...]:
    """Evenly spaced numbers, the last of them `high` to the bit."""
    return (*(low + (high - low) * step / (steps - 1) for step in range(steps - 1)), high)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{where}: '{text.strip()}' is not a number", fix="numbers look like 2, -0.5, 1e-3")
    return value
