"""What schedules between two steps share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from translate.errors import ComponentError

Step = Annotated[int, Field(ge=0)]


def check_span(name: str, start: int, end: int) -> None:
    """Refuse a span that is empty.

    Raises:
        ComponentError: `end` is not after `start`.
    """
    if end <= start:
        raise ComponentError(f"{name}: end must be after start (got start {start}, end {end})", fix="set a later end")


def progress(step: int, start: int, end: int) -> float:
    """How far `step` is from `start` to `end`: 0 before, 1 after."""
    return min(max((step - start) / (end - start), 0.0), 1.0)
