"""What operations with a memory of earlier examples share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from translate_plugins.operations.lists import Parts, each, parts_of


class History(nn.Module):
    """A store of the last examples of one shape, part of the checkpoint.

    What is stored is cut from its history and shares no memory with what is given. A change of the examples' shape (a
    phase at another size) starts it anew. An example of a list is all its parts: they are stored and given together.

    Args:
        size: Number of examples kept.

    Attributes:
        history: The stored examples. It holds only what is filled: its length is the count, known without reading the
            device.
    """

    is_history = True
    keeps_values = True

    history: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("history", torch.empty(0))

    def forward(self, fake: Parts, /) -> Parts:
        """Exchange new examples for old ones; N x ... -> N x ..., also in lists."""
        if isinstance(fake, Tensor):
            return self._exchanged(fake)
        name = type(self).__name__.lower()
        parts = parts_of(name, fake)
        sizes = [part.shape[1:].numel() for part in parts]
        joined = torch.cat([part.reshape(len(part), size) for part, size in zip(parts, sizes, strict=True)], dim=1)
        rows = iter(torch.split(self._exchanged(joined), sizes, dim=1))
        return each(name, lambda part: next(rows).reshape(part.shape).to(part.dtype), fake)

    def live(self, fake: Parts) -> Parts:
        """The input itself: a history must not hide a gradient that is wanted."""
        return fake

    def _exchanged(self, fake: Tensor) -> Tensor:
        """A batch with new examples exchanged for old ones."""
        raise NotImplementedError

    def _prepare(self, like: Tensor) -> None:
        """Have room for examples like these, on their device."""
        if self.history.shape[1:] != like.shape[1:]:
            self.history = like.new_empty((0, *like.shape[1:]))
        elif self.history.device != like.device:
            self.history = self.history.to(like.device)

    def _fill(self, fresh: Tensor) -> int:
        """Store the first examples of a batch while there is room; returns how many."""
        room = min(self.size - len(self.history), len(fresh))
        if room:
            self.history = torch.cat([self.history, fresh[:room].to(self.history.dtype)])
        return room

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # The stored length and shape are those of the saved run, not of this new module.
        stored = state_dict.get(f"{prefix}history")
        if stored is not None:
            self.history = torch.empty_like(stored[: self.size], device=self.history.device)
            state_dict[f"{prefix}history"] = stored[: self.size]
        super()._load_from_state_dict(state_dict, prefix, *rest)
