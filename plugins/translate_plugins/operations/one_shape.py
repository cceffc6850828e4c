"""The check of operations that take values of one shape."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from translate.errors import ComponentError


def of_one_shape(name: str, values: Sequence[Tensor], *, fix: str) -> None:
    """Make sure that there is a value, and that all have one shape.

    Args:
        name: Of the operation.
        values: What it takes.
        fix: How values of different shapes are brought together.

    Raises:
        ComponentError: They have not.
    """
    # Compared one by one: sizes that the exporter traces as symbols cannot be put into a set.
    if not values or any(value.shape != values[0].shape for value in values):
        shapes = ", ".join("x".join(map(str, value.shape)) for value in values) or "nothing"
        raise ComponentError(f"{name} takes values of one shape (got {shapes})", fix=fix)
