"""A value with bursts of another one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from translate_plugins.schedules.ramp import Step


class Bursts:
    """One value, and another one in the first steps and at regular ones after: the critic steps of WGAN.

    The authors' code of WGAN (Arjovsky et al. 2017, arXiv 1701.07875) trains the critic 5 times for each step of the
    generator, but 100 times in the first 25 steps and at every 500th: `{schedule: bursts, value: 5, burst: 100, first:
    25, every: 500}`, as the `steps` of a turn.

    Args:
        value: The usual value.
        burst: The value in a burst.
        first: Number of steps at the beginning that have the burst's value; steps count iterations from 0.
        every: Distance of the later bursts: at each step that is a multiple of it, from step 0 on. 0 is none.
    """

    def __init__(self, *, value: float, burst: float, first: Step = 0, every: Annotated[int, Field(ge=0)] = 0) -> None:
        self.value, self.burst, self.first, self.every = value, burst, first, every

    def __call__(self, step: int) -> float:
        """The value at a step."""
        bursts = step < self.first or (self.every > 0 and step % self.every == 0)
        return self.burst if bursts else self.value
