"""Operations that take a list as one value: its parts, as images of several sizes, are of the same examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor

from translate.errors import ComponentError

Parts: TypeAlias = "Tensor | Sequence[Parts]"


def parts_of(name: str, value: Parts) -> list[Tensor]:
    """All tensors of a value, in order.

    Args:
        name: Of the operation.
        value: A tensor, or a list of values.

    Raises:
        ComponentError: It is neither, or the list is empty or of different numbers of examples.
    """
    if isinstance(value, Tensor):
        return [value]
    if not isinstance(value, list | tuple) or not value:
        kind = "an empty list" if isinstance(value, list | tuple) else type(value).__name__
        raise ComponentError(
            f"{name} takes tensors, and lists of them (got {kind})", fix="of several values name one, as in `judged.x`"
        )
    found = [part for item in value for part in parts_of(name, item)]
    if any(part.shape[:1] != found[0].shape[:1] for part in found):
        counts = ", ".join(str(part.shape[0]) if part.ndim else "none" for part in found)
        raise ComponentError(
            f"{name} takes lists whose parts are of the same examples (got {counts} of them)",
            fix="name values of one batch",
        )
    return found


def each(name: str, function: Callable[..., Tensor], *values: Parts) -> Parts:
    """Apply a function to tensors, or to the parts of lists of one form.

    Args:
        name: Of the operation.
        function: Takes as many tensors as there are values.
        values: Tensors, or lists.

    Raises:
        ComponentError: The lists have different forms.
    """
    for value in values:
        parts_of(name, value)
    if all(isinstance(value, Tensor) for value in values):
        return function(*values)
    if any(isinstance(value, Tensor) for value in values) or len({len(value) for value in values}) > 1:
        forms = ["one value" if isinstance(value, Tensor) else f"a list of {len(value)}" for value in values]
        raise ComponentError(
            f"{name} needs values of one form (got {' and '.join(forms)})",
            fix="write pyramid(image) beside a list of images of every size",
        )
    return [each(name, function, *items) for items in zip(*values, strict=True)]
