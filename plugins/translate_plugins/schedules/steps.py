"""Values that change at given steps."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from translate.errors import ComponentError
from translate_plugins.schedules.ramp import Step


class Steps:
    """A value that jumps at given steps: `values: [1, 0.1, 0.01], boundaries: [1000, 2000]`.

    Args:
        values: The values in order, one more than there are boundaries.
        boundaries: The first step of each value but the first, ascending; steps count iterations from 0.

    Raises:
        ComponentError: The numbers of values and boundaries do not fit, or the boundaries do not ascend.
    """

    def __init__(self, *, values: Annotated[list[float], Field(min_length=1)], boundaries: list[Step]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ComponentError(
                f"steps: {len(boundaries)} boundaries separate {len(boundaries) + 1} values (got {len(values)})",
                fix="give one value more than there are boundaries",
            )
        if any(later <= earlier for earlier, later in pairwise(boundaries)):
            raise ComponentError(f"steps: boundaries must ascend (got {boundaries})", fix="sort them")
        self.values, self.boundaries = tuple(values), tuple(boundaries)

    def __call__(self, step: int) -> float:
        """The value at a step; a boundary belongs to the value after it."""
        return self.values[bisect_right(self.boundaries, step)]
