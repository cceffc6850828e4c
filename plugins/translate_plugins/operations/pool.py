"""Image pool: a history of earlier fakes for the discriminator."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from translate_plugins.operations.history import History


class Pool(History):
    """Image pool of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, section 4, after Shrivastava et al. 2017).

    Keeps `size` earlier examples. Until it is full, each new example is stored and returned. From then on each query
    returns, with probability `share`, a stored example and keeps the new one in its place, else the new one. Within one
    call the stored examples that may be swapped are distinct, where the authors' loop could draw one twice. What is
    returned and what is stored is cut from its history, and neither shares memory with the input's successors. A change
    of the examples' shape (a phase at another size) starts the history anew. Draws from torch's global generator; never
    waits for the device. Each fake is returned once at most; `replay` shows stored ones again and again.

    A stored fake must keep its condition: with a conditional discriminator write `D(pool(concat(source, fake)))` beside
    `D(concat(source, target))`, and for a label `pool(concat(fake, one_hot(label, classes=N)))`.

    Args:
        size: Number of examples kept; 50 in the paper. 0 returns the input.
        share: Probability that a query returns a stored example; 1/2 in the paper. 0 returns the input.
    """

    def __init__(
        self, *, size: Annotated[int, Field(ge=0)] = 50, share: Annotated[float, Field(ge=0, le=1)] = 0.5
    ) -> None:
        super().__init__(size)
        self.share = share

    def _exchanged(self, fake: Tensor) -> Tensor:
        fake = fake.detach()
        if self.size == 0 or self.share == 0 or fake.is_meta:
            return fake
        self._prepare(fake)
        room = self._fill(fake)
        # Chunks no longer than the pool, so that each example has a slot of its own.
        swapped = [self._swap(chunk) for chunk in torch.split(fake[room:], self.size)] if room < len(fake) else []
        return torch.cat([fake[:room], *swapped])

    def _swap(self, fake: Tensor) -> Tensor:
        slots = torch.rand(self.size, device=fake.device).argsort()[: len(fake)]
        old = self.history[slots].to(fake.dtype)
        take = (torch.rand(len(fake), device=fake.device) < self.share).view(-1, *[1] * (fake.ndim - 1))
        self.history[slots] = torch.where(take, fake, old).to(self.history.dtype)
        return torch.where(take, old, fake)
