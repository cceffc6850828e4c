"""Nearest-neighbour retrieval: the training example that is most like a held-out one, found without holding either set.

What it gives is a translation by memory alone. A model that translates must beat it on held-out data; one that only
looks good may not.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

KEY_SIZE: Final = 32
_CHUNK: Final = 2048  # rows of a matrix of distances; with 2048 columns in float64 it takes 32 MiB
_SAME: Final = 1e-9  # squared distances closer than this are a tie: rounding must not decide it


def keys_of(images: Tensor) -> Tensor:
    """What pictures are compared by: averages over areas, at most 32 x 32 of them.

    Args:
        images: N x C x H x W in [0, 1].

    Shape:
        N x (C min(H, 32) min(W, 32)), float32.
    """
    height, width = (min(KEY_SIZE, size) for size in images.shape[2:])
    return F.adaptive_avg_pool2d(images.float(), (height, width)).flatten(1)


class Nearest:
    """The nearest of a stream of candidates for each query, by L2 distance; the first one where several are nearest.

    Memory is that of the queries, whatever the number of candidates.

    Args:
        queries: N x size.
        leave_out_self: Candidate i is not considered for query i (the queries are the first candidates).
        device: Where distances are computed; needs float64.
    """

    def __init__(self, queries: Tensor, *, leave_out_self: bool = False, device: torch.device | None = None) -> None:
        self._queries = queries.to(device or torch.device("cpu"))
        self._leave_out_self = leave_out_self
        self._best = torch.full((len(queries),), torch.inf, dtype=torch.float64, device=self._queries.device)
        self._index = torch.full((len(queries),), -1, dtype=torch.int64, device=self._queries.device)

    def add(self, first: int, candidates: Tensor) -> None:
        """Consider more candidates.

        Args:
            first: Index of the first of them; indices must grow from call to call.
            candidates: M x size.
        """
        for start in range(0, len(candidates), _CHUNK):
            part = candidates[start : start + _CHUNK].to(self._queries.device, torch.float64)
            for low in range(0, len(self._queries), _CHUNK):
                self._compare(low, first + start, part)

    def indices(self) -> list[int]:
        """Index of the nearest candidate of each query.

        Raises:
            ValueError: A query has had no candidate.
        """
        if bool((self._index < 0).any()):
            msg = "there is no training example to retrieve"
            raise ValueError(msg)
        return [int(index) for index in self._index.cpu()]

    def _compare(self, low: int, first: int, part: Tensor) -> None:
        rows = slice(low, low + _CHUNK)
        queries = self._queries[rows].double()
        # |q - c|^2 = |q|^2 - 2 q c + |c|^2, as one matrix product.
        distances = queries.square().sum(1, keepdim=True) - 2 * queries @ part.T + part.square().sum(1)
        if self._leave_out_self:
            own = torch.arange(low, low + len(queries), device=part.device)[:, None]
            distances.masked_fill_(own == torch.arange(first, first + len(part), device=part.device), torch.inf)
        least = distances.amin(1)
        found = (distances <= least[:, None] + _SAME).int().argmax(1)
        better = least < self._best[rows] - _SAME
        self._best[rows] = torch.where(better, least, self._best[rows])
        self._index[rows] = torch.where(better, first + found, self._index[rows])
