"""Image pool: a history of earlier fakes for the discriminator."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn


class Pool(nn.Module):
    """Image pool of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, section 4, after Shrivastava et al. 2017).

    Keeps `size` earlier examples. Until it is full, each new example is stored and returned. From then on each query
    returns, with probability 1/2, a stored example and keeps the new one in its place, else the new one. Within one
    call the stored examples that may be swapped are distinct, where the authors' loop could draw one twice. What is
    returned and what is stored is cut from its history, and neither shares memory with the input's successors. A change
    of the examples' shape (a phase at another size) starts the history anew. Draws from torch's global generator; never
    waits for the device.

    Args:
        size: Number of examples kept; 50 in the paper. 0 returns the input.
    """

    history: Tensor

    def __init__(self, *, size: Annotated[int, Field(ge=0)] = 50) -> None:
        super().__init__()
        self.size = size
        # Holds only what is filled: its length is the count, known without reading the device.
        self.register_buffer("history", torch.empty(0))

    def forward(self, fake: Tensor, /) -> Tensor:
        """Exchange new examples for old ones; N x ... -> N x ..."""
        fake = fake.detach()
        if self.size == 0 or fake.is_meta:
            return fake
        if self.history.shape[1:] != fake.shape[1:] or self.history.device != fake.device:
            self._start(fake)
        room = min(self.size - len(self.history), len(fake))
        if room:
            self.history = torch.cat([self.history, fake[:room].to(self.history.dtype)])
        # Chunks no longer than the pool, so that each example has a slot of its own.
        swapped = [self._swap(chunk) for chunk in torch.split(fake[room:], self.size)] if room < len(fake) else []
        return torch.cat([fake[:room], *swapped])

    def live(self, fake: Tensor) -> Tensor:
        """The input itself: a history must not hide a gradient that is wanted."""
        return fake

    def _start(self, fake: Tensor) -> None:
        same = self.history.shape[1:] == fake.shape[1:]
        self.history = self.history.to(fake.device) if same else fake.new_empty((0, *fake.shape[1:]))

    def _swap(self, fake: Tensor) -> Tensor:
        slots = torch.rand(self.size, device=fake.device).argsort()[: len(fake)]
        old = self.history[slots].to(fake.dtype)
        take = (torch.rand(len(fake), device=fake.device) < 0.5).view(-1, *[1] * (fake.ndim - 1))
        self.history[slots] = torch.where(take, fake, old).to(self.history.dtype)
        return torch.where(take, old, fake)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # The stored length and shape are those of the saved run, not of this new module.
        stored = state_dict.get(f"{prefix}history")
        if stored is not None:
            self.history = torch.empty_like(stored[: self.size], device=self.history.device)
            state_dict[f"{prefix}history"] = stored[: self.size]
        super()._load_from_state_dict(state_dict, prefix, *rest)
