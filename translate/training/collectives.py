"""What several processes do together: equal weights at the start, averaged gradients before each step.

Gradients are averaged where they are used, just before an optimiser's step, and not by hooks on the forward pass
(DistributedDataParallel). A game calls a network any number of times before one backward, passes gradients through
networks that do not learn, differentiates twice, and uses parts of a network in one turn and other parts in the next:
none of that matters to a sum over the gradients that are there. Parts of an accumulated batch cost one exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor, nn

from translate.training.fate import exchanging

BUCKET: Final = 32 * 2**20  # bytes that are exchanged at once


@exchanging
@torch.no_grad()
def broadcast_module(module: nn.Module) -> None:
    """Give all processes the parameters and buffers of process 0."""
    for tensor in (*module.parameters(), *module.buffers()):
        dist.broadcast(tensor.data, src=0)


@exchanging
@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes, which must have gradients for the same parameters."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for bucket in buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        offset = 0
        for gradient in bucket:
            gradient.copy_(flat[offset : offset + gradient.numel()].view_as(gradient))
            offset += gradient.numel()


def buckets(tensors: Sequence[Tensor], size: int = BUCKET) -> list[list[Tensor]]:
    """Tensors of one type together, in the given order, up to a number of bytes (a larger one stands alone)."""
    groups: list[list[Tensor]] = []
    filled = 0
    for tensor in tensors:
        bytes_ = tensor.numel() * tensor.element_size()
        if not groups or groups[-1][0].dtype != tensor.dtype or filled + bytes_ > size:
            groups.append([])
            filled = 0
        groups[-1].append(tensor)
        filled += bytes_
    return groups
