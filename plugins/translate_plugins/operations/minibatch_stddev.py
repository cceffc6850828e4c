"""Standard deviation over the batch as one more channel."""

from __future__ import annotations

from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from translate import marked
from translate.errors import ComponentError
from translate_plugins.losses.nested import precise

_EPS: Final = 1e-8


@marked(least_batch=2, both_sides=True)
def minibatch_stddev(value: Tensor, /, *, group: Annotated[int, Field(ge=2)] | None = None) -> Tensor:
    """Append how much the examples of a batch differ (Karras et al. 2017, arXiv 1710.10196, section 3).

    The standard deviation over the examples, of each feature at each position, is averaged to one number, which becomes
    one more channel: real and fake batches then differ where fakes are all alike. As in the authors' code it is
    sqrt(variance + 1e-8), with a finite gradient: 1e-4 for equal examples and for a batch of one. It ties the examples
    of a batch together, as batch norm does; ProGAN takes its gradient penalty all the same.

    Args:
        value: Images or vectors, N x C ...
        group: Number of examples over which the deviation is taken, or fewer where the batch is smaller; null takes the
            whole batch, as the paper does. StyleGAN has 4. Groups are interleaved: of 8 examples in groups of 4, the
            even ones are one group.

    Shape:
        N x C x H x W -> N x (C + 1) x H x W. N x C -> N x (C + 1).

    Raises:
        ComponentError: `value` has no channels, or the batch is no multiple of `group`.
    """
    if value.ndim < 2:
        raise ComponentError("minibatch_stddev takes images or vectors (got one number each)", fix="pass features")
    count = len(value)
    size = count if group is None else min(group, count)
    if count % size:
        raise ComponentError(
            f"minibatch_stddev: a batch of {count} cannot be divided into groups of {size}",
            fix="choose a group that divides the batch size, or leave it out",
        )
    grouped = precise(value).reshape(size, -1, *value.shape[1:])
    deviation = ((grouped - grouped.mean(0)).square().mean(0) + _EPS).sqrt()
    number = deviation.flatten(1).mean(1).repeat(size).to(value.dtype)
    channel = number.view(-1, *[1] * (value.ndim - 1)).expand(-1, 1, *value.shape[2:])
    return torch.cat([value, channel], dim=1)
