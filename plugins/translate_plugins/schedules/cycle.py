"""Values that repeat."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field


class Cycle:
    """A list of values, one for each step, again and again: `values: [1, 0, 0]` is 1 at every third step.

    Args:
        values: The values of one round.
    """

    def __init__(self, *, values: Annotated[list[float], Field(min_length=1)]) -> None:
        self.values = tuple(values)

    def __call__(self, step: int) -> float:
        """The value at a step; steps count iterations from 0."""
        return self.values[step % len(self.values)]
