"""The class that stands last."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError


def last_class(logits: Tensor, /) -> Tensor:
    """The last class of some logits, as a label for each example: "fake" beside K classes of real pictures.

    `cross_entropy` against it sends examples to that class, which needs no number of classes to be written down.

    Args:
        logits: One row for each example; only their shape counts.

    Shape:
        N x K -> N (int64), all K - 1.

    Raises:
        ComponentError: They are no rows of logits.
    """
    if logits.ndim != 2:
        raise ComponentError(
            f"last_class takes logits, one row for each example (got {tuple(logits.shape)})",
            fix="name the output of a classifier, N x classes",
        )
    return torch.full_like(logits[:, 0], logits.shape[1] - 1, dtype=torch.int64)
