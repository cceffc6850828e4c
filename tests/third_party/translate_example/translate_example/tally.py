"""An observer."""

from __future__ import annotations

from translate import hookimpl


class Tally:
    """Counts the steps of a run.

    Args:
        start: Where to begin.
    """

    def __init__(self, *, start: int = 0) -> None:
        self.steps = start

    @hookimpl
    def translate_step_finished(self, step: int) -> None:
        """Count one more."""
        del step
        self.steps += 1
