"""A value that stays."""

from __future__ import annotations


class Constant:
    """The same value at every step.

    Args:
        value: The value.
    """

    def __init__(self, *, value: float) -> None:
        self.value = value

    def __call__(self, step: int) -> float:
        """The value, whatever the step."""
        return self.value
