"""The value range that operations on pictures are told."""

from __future__ import annotations

from translate.errors import ComponentError


def check_range(name: str, low: float, high: float) -> None:
    """Refuse an empty range.

    Raises:
        ComponentError: `low` is not below `high`.
    """
    if low >= high:
        raise ComponentError(f"{name}: low must be below high (got {low} and {high})", fix="exchange them")
