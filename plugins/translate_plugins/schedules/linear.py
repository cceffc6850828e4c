"""A straight line between two values."""

from __future__ import annotations

from translate_plugins.schedules.ramp import Step, check_span, progress


class Linear:
    """A straight line from one value to another, as the second half of CycleGAN's learning rate.

    Args:
        initial: Value up to the step `start`.
        final: Value from the step `end` on.
        start: Step at which it begins to change; steps count iterations from 0.
        end: First step with the final value.

    Raises:
        ComponentError: `end` is not after `start`.
    """

    def __init__(self, *, initial: float, final: float, end: Step, start: Step = 0) -> None:
        check_span("linear", start, end)
        self.initial, self.final, self.start, self.end = initial, final, start, end

    def __call__(self, step: int) -> float:
        """The value at a step."""
        share = progress(step, self.start, self.end)
        return (1 - share) * self.initial + share * self.final
