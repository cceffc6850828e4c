"""Half a cosine between two values."""

from __future__ import annotations

import math

from translate_plugins.schedules.ramp import Step, check_span, progress


class Cosine:
    """Half a period of a cosine from one value to another (Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5).

    Without restarts.

    Args:
        initial: Value up to the step `start`.
        final: Value from the step `end` on.
        start: Step at which it begins to change; steps count iterations from 0.
        end: First step with the final value.

    Raises:
        ComponentError: `end` is not after `start`.
    """

    def __init__(self, *, initial: float, final: float, end: Step, start: Step = 0) -> None:
        check_span("cosine", start, end)
        self.initial, self.final, self.start, self.end = initial, final, start, end

    def __call__(self, step: int) -> float:
        """The value at a step."""
        share = (1 - math.cos(math.pi * progress(step, self.start, self.end))) / 2
        return (1 - share) * self.initial + share * self.final
