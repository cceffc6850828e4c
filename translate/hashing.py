"""Numbers that look drawn and are not: a hash of integers that every device and every ONNX runtime computes alike.

All of it is integer arithmetic below 2^63, so that it exports: the masks of dropout outside training, fixed noise.
"""

from __future__ import annotations

from typing import Final

from torch import Tensor

MASK: Final = 0xFFFF_FFFF
INCREMENT: Final = 0x1E37_79B9
# Odd numbers with well-mixed bits, below 2^31 so that a product with a 32-bit value stays below 2^63.
_MULTIPLIERS: Final = (0x21F0_AAAD, 0x735A_2D97)


def mix(value: Tensor) -> Tensor:
    """A bijection of 32-bit numbers in which every bit of the result depends on every bit of the input.

    Args:
        value: int64 values from 0 to 2^32 - 1.
    """
    for multiplier in _MULTIPLIERS:
        value = ((value ^ (value >> 16)) * multiplier) & MASK
    return value ^ (value >> 16)


def mix_number(value: int) -> int:
    """The same for one number.

    >>> mix_number(0), mix_number(1) != mix_number(2)
    (0, True)
    """
    for multiplier in _MULTIPLIERS:
        value = ((value ^ (value >> 16)) * multiplier) & MASK
    return value ^ (value >> 16)
