"""Boundaries between labelled regions."""

from __future__ import annotations

from functools import reduce
from operator import or_

import torch
from torch import Tensor

from translate.errors import ComponentError


def boundaries(labels: Tensor, /, *, low: float = -1.0, high: float = 1.0) -> Tensor:
    """The boundary map of pix2pixHD (Wang et al. 2017, arXiv 1711.11585, section 3.3).

    `high` where a pixel differs from any of its four neighbours in any channel, else `low`: with a map of instances the
    boundaries of objects, with coloured labels those of regions. Values are compared exactly, so the map must not have
    been smoothed by resizing. No gradient flows back.

    Args:
        labels: N x C x H x W, or N x H x W: a map of numbers or colours, one for each region.
        low: Value away from boundaries; the low end of the data's value range.
        high: Value on them.

    Shape:
        N x C x H x W or N x H x W -> N x 1 x H x W.

    Raises:
        ComponentError: `labels` is no map.
    """
    if labels.ndim == 3:
        labels = labels[:, None]
    if labels.ndim != 4:
        raise ComponentError(
            f"boundaries takes maps (got a value of {labels.ndim - 1} dimensions)", fix="pass an image of labels"
        )
    # Shifted by one, the outermost row or column repeated: a border of the image is no boundary.
    neighbours = (
        torch.cat([labels[:, :, :1], labels[:, :, :-1]], dim=2),
        torch.cat([labels[:, :, 1:], labels[:, :, -1:]], dim=2),
        torch.cat([labels[..., :1], labels[..., :-1]], dim=3),
        torch.cat([labels[..., 1:], labels[..., -1:]], dim=3),
    )
    differs = reduce(or_, [labels != neighbour for neighbour in neighbours]).any(1, keepdim=True)
    return low + (high - low) * differs.float()
