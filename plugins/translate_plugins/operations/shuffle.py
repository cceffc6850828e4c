"""The examples of a batch in another order."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Shuffle(nn.Module):
    """The same values in a random order of the examples: labels to translate to, as StarGAN draws them.

    Choi et al. 2018 (arXiv 1711.09020), authors' code: the wanted domains of a batch are its own labels, permuted, so
    that they have the frequencies of the data. Draws from torch's global generator; in eval mode each example gets the
    value of the one before it, so that previews and measurements repeat themselves.
    Selects by index, whose gradient would be summed in a varying order on CUDA, so the result is cut from its history.

    Shape:
        N x ... -> N x ...
    """

    least_batch = 2
    keeps_values = True

    def __init__(self) -> None:
        super().__init__()

    def forward(self, value: Tensor, /) -> Tensor:
        """Permute the examples."""
        value = value.detach()
        if not self.training:
            return value.roll(1, 0)
        return value[torch.randperm(len(value), device=value.device)]
