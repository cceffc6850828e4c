"""From logits to probabilities."""

from __future__ import annotations

from torch import Tensor

from translate import marked


@marked(makes_probabilities=True)
def sigmoid(logits: Tensor, /) -> Tensor:
    """Probabilities of logits, 1 / (1 + exp(-x)): pictures in [0, 1] from a network whose loss takes logits.

    Args:
        logits: Any values.

    Shape:
        Any -> same.

    >>> import torch
    >>> sigmoid(torch.tensor([0.0])).tolist()
    [0.5]
    """
    return logits.sigmoid()
