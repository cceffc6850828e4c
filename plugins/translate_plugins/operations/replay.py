"""Experience replay: the discriminator's fakes come from a buffer of earlier ones."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from translate_plugins.operations.history import History


class Replay(History):
    """Experience replay for GANs: a batch in which a share of the examples is drawn from a buffer of earlier fakes.

    `D(replay(fake))` with `share: 1` trains the discriminator on the buffer alone, as the textbooks describe it (Geron
    2019, chapter 17: "training the discriminator using real images plus fake images drawn from this buffer"), so that
    the generator gains nothing by leaving one mode for another. `share: 0.5` is the half-and-half form of Shrivastava
    et al. 2017 (arXiv 1612.07828, section 2.3): half of each batch old, half new. In a batch of N examples share x N
    are old, rounded up or down at random so that it is right on average: a batch of one is old with probability
    `share`. Where nothing is stored yet, all are new.

    Old examples are drawn with equal probability, each anew, so that one may come twice; then the whole new batch is
    stored, in the place of the oldest where the buffer is full (Shrivastava et al. replace random ones). What is
    returned and stored is cut from its history. A stored fake must keep its condition: with a conditional discriminator
    write `D(replay(concat(source, fake)))` beside `D(concat(source, target))`. Draws from torch's global generator;
    never waits for the device. For CycleGAN's form, which returns each fake once, see `pool`.

    Args:
        size: Number of examples kept.
        share: Share of each batch that is drawn from the buffer; 1 and 0.5 are the published forms. 0 returns the
            input.
    """

    oldest: Tensor

    def __init__(
        self, *, size: Annotated[int, Field(ge=1)] = 1000, share: Annotated[float, Field(ge=0, le=1)] = 1.0
    ) -> None:
        super().__init__(size)
        self.share = share
        self.register_buffer("oldest", torch.zeros((), dtype=torch.int64))

    def _exchanged(self, fake: Tensor) -> Tensor:
        fake = fake.detach()
        if self.share == 0 or fake.is_meta:
            return fake
        self._prepare(fake)
        if not len(self.history):
            self.oldest = torch.zeros_like(self.oldest)
        result = self._mixed(fake) if len(self.history) else fake
        self._store(fake[-self.size :])
        return result

    def _mixed(self, fake: Tensor) -> Tensor:
        count, device = len(fake), fake.device
        slots = torch.randint(len(self.history), (count,), device=device)
        wanted = (self.share * count + torch.rand((), device=device)).floor()
        take = (torch.arange(count, device=device) < wanted).view(-1, *[1] * (fake.ndim - 1))
        return torch.where(take, self.history[slots].to(fake.dtype), fake)

    def _store(self, fresh: Tensor) -> None:
        room = self._fill(fresh)
        left = len(fresh) - room
        if left:
            self.oldest = self.oldest.to(fresh.device)
            slots = (self.oldest + torch.arange(left, device=fresh.device)) % self.size
            self.history[slots] = fresh[room:].to(self.history.dtype)
            self.oldest = (self.oldest + left) % self.size
