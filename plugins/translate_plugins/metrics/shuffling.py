"""The control of everything that compares pairs: the same examples, paired wrongly."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

_SEED: Final = 0x7061_6972


def wrong_partners(count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """For each example another one, each once: one random cycle through all of them, the same at every call.

    Args:
        count: Number of examples, at least 2.

    Raises:
        ValueError: There are fewer than two examples.
    """
    if count < 2:
        msg = f"an example has no other to be paired with (got {count} examples)"
        raise ValueError(msg)
    order = np.random.default_rng(_SEED).permutation(count)
    partners = np.empty(count, np.int64)
    partners[order] = np.roll(order, -1)
    return partners
