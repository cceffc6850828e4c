"""Sizes that a flow can take: multiples of a divisor, found from the sizes at which its networks are called."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from torch import nn

from translate.pipeline.trees import tensors

Size = tuple[int, int]

_COARSEST: Final = 64
"""A network's input of another share of the picture than n/64 has its size by another rule than scaling."""


@dataclass(frozen=True, slots=True)
class Call:
    """A network's call on an image.

    Attributes:
        divisor: What height and width must be multiples of there.
        size: Height and width of its largest image.
    """

    divisor: int
    size: Size


def padded(side: int, divisor: int) -> int:
    """The next multiple."""
    return -(-side // divisor) * divisor


def other_size(size: Size, divisor: int) -> Size:
    """A larger size that fits, with another aspect ratio, at which tracing cannot mistake one side for another."""
    step = padded(16, divisor)
    return padded(size[0], divisor) + step, padded(size[1], divisor) + 2 * step


@contextmanager
def recorded(networks: Mapping[str, nn.Module], divisors: Mapping[str, int]) -> Iterator[list[Call]]:
    """Note every call of the networks on an image, in order."""
    calls: list[Call] = []

    def note(divisor: int, given: Any) -> None:
        sizes = [(int(value.shape[2]), int(value.shape[3])) for value in tensors(given) if value.ndim == 4]
        if sizes:
            calls.append(Call(divisor, max(sizes, key=math.prod)))

    handles = [
        network.register_forward_pre_hook(
            lambda _, args, kwargs, divisor=divisors[name]: note(divisor, [args, kwargs]), with_kwargs=True
        )
        for name, network in networks.items()
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def divisor_at(calls: Sequence[Call], size: Size) -> int:
    """What the sides of a picture must be multiples of, by the calls at one size: shares are taken to stay."""
    needs = [_needed(call.divisor, *sides) for call in calls for sides in zip(call.size, size, strict=True)]
    return math.lcm(*needs)


def divisor_of(first: Sequence[Call], size: Size, second: Sequence[Call], other: Size) -> int:
    """The same by the calls at two sizes, which show what follows the picture.

    A call whose input has one size at both (`resize(image, size=128)`) asks nothing of the picture; where it grows by
    another rule than in proportion, its own divisor is all that is known.
    """
    needs = [1]
    for one, two in zip(first, second, strict=True):
        for side, whole, later, later_whole in zip(one.size, size, two.size, other, strict=True):
            if side * later_whole == later * whole:
                needs.append(_needed(one.divisor, side, whole))
            elif side != later:
                needs.append(one.divisor)
    return math.lcm(*needs)


def _needed(divisor: int, side: int, whole: int) -> int:
    """The smallest whole of which this share is a whole number, and a multiple of the divisor."""
    share = Fraction(side, whole)
    if share.denominator > _COARSEST:
        return divisor
    product = divisor * share.denominator
    return product // math.gcd(share.numerator, product)
