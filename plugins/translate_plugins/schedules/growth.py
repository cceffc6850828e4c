"""Growth of the resolution."""

from __future__ import annotations

from itertools import accumulate, chain
from typing import Annotated

from pydantic import Field

from translate.errors import ComponentError

Steps = Annotated[int, Field(ge=0)]
Stages = Annotated[int, Field(ge=1)]


class Growth:
    """The stage of a network that grows: 0, then faded to 1 ... (Karras et al. 2017, arXiv 1710.10196, figure 2).

    A whole number is a stage that stands; between two of them the later one is faded in, along a straight line. Stage s
    has 4 x 2^s pixels a side, so that `stages: 4` ends at 32x32. Pass it through the flow: `fake: G(z, growth)`, `real:
    shrink(image, growth)`. `growth` is a name like any other. The last value stays. With `stable: 20000` and `fade:
    20000` stage s begins to be faded in at step (2s - 1) x 20000 and stands from step 2s x 20000.

    Args:
        stages: How many there are; 4 for 32x32, 9 for 1024x1024.
        stable: Steps for which a stage stands before the next one is faded in: one number, or one for each stage but
            the last, which stands until the end.
        fade: Steps for which a stage is faded in, 0 = at once: one number, or one for each stage but the first.

    Raises:
        ComponentError: A list has another length than stages - 1.
    """

    def __init__(self, *, stages: Stages, stable: Steps | list[Steps], fade: Steps | list[Steps]) -> None:
        self._spans = list(zip(_each("stable", stable, stages), _each("fade", fade, stages), strict=True))
        ends = list(accumulate(chain.from_iterable(self._spans)))
        self.end = ends[-1] if ends else 0
        self.stages = stages

    def __call__(self, step: int) -> float:
        """The growth at a step, from 0 to stages - 1."""
        for stage, (stable, fade) in enumerate(self._spans):
            if step < stable:
                return float(stage)
            step -= stable
            if step < fade:
                return stage + step / fade
            step -= fade
        return float(self.stages - 1)


def _each(name: str, given: int | list[int], stages: int) -> list[int]:
    """One number for each change of stage."""
    if isinstance(given, int):
        return [given] * (stages - 1)
    if len(given) != stages - 1:
        raise ComponentError(
            f"growth: {stages} stages change {stages - 1} times, but `{name}` has {len(given)} numbers",
            fix="give one number for each change, or one number for all",
        )
    return list(given)
