"""Examples that carry their number, so that one sees which came out of where."""

from __future__ import annotations

import torch
from torch import Tensor


def numbered(start: int, count: int, shape: tuple[int, ...] = (1, 2, 2)) -> Tensor:
    """Examples whose every value is their number."""
    numbers = torch.arange(start, start + count, dtype=torch.float32)
    return numbers.view(-1, *[1] * len(shape)).expand(-1, *shape).clone()


def numbers_in(images: Tensor) -> list[int]:
    """The numbers of some examples, in order."""
    return [int(value) for value in images.flatten(1)[:, 0]]
