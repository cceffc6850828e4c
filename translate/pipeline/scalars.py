"""What an unquoted word means in a pipeline: the scalars of the YAML 1.2 core schema.

`null`, `~`, nothing; `true`, `false` (also `True`, `TRUE`); whole numbers, also `0x1f` and `0o17`; decimal numbers,
also `1e-4` and `.5`; `.inf`. All else is a string: `on`, `no`, `1:30`, `1_000`, `2024-01-01`. `012` is twelve.
Stricter than the schema: `.nan` and numbers that do not fit are refused.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + word: math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})
_DECIMAL = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_MAX_DIGITS = 64
_MAX_INTEGER = 2**64


def read_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar.

    >>> read_scalar("1e-4"), read_scalar("no"), read_scalar("012")
    (0.0001, 'no', 12)

    Raises:
        ValueError: The text is `.nan`, or a number that does not fit 64 bits.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in _NOT_A_NUMBER:
        msg = f"{text} is not a number that a setting can have; for the text, put it in quotes"
        raise ValueError(msg)
    if _DECIMAL.match(text) or _BASED.match(text):
        return _integer(text)
    return _float(text) if _FLOAT.match(text) else text


def _integer(text: str) -> int:
    # Length first: converting thousands of digits is slow, and refused by Python itself.
    if len(text) <= _MAX_DIGITS:
        value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if abs(value) < _MAX_INTEGER:
            return value
    msg = f"the number {_short(text)} does not fit 64 bits; for the text, put it in quotes"
    raise ValueError(msg)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        msg = f"the number {_short(text)} is too large; for infinity, write .inf"
        raise ValueError(msg)
    return value


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}... ({len(text)} digits)"
