"""Edges of drawn shapes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from translate_plugins.operations.images import check_image


def edges(image: Tensor, /, *, low: float = -1.0) -> Tensor:
    """The edges of CoGAN's digits (Liu & Tuzel 2016, arXiv 1606.07536, section 4): 3 x 3 dilation minus the image.

    Each channel by itself. Outside of the image nothing is larger, as for a maximum pooling with padding. The result
    lies in the image's own range: `low` where nothing changes. Written as maxima of shifted images, because the
    gradient of torch's overlapping pooling is summed in a varying order on CUDA.

    Args:
        image: N x C x H x W.
        low: Value of black; the low end of the data's value range.

    Shape:
        N x C x H x W -> same.

    Raises:
        ComponentError: `image` is no image.
    """
    check_image("edges", image)
    padded = F.pad(image, (1, 1, 1, 1), value=-torch.inf)
    rows = torch.maximum(torch.maximum(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
    dilated = torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
    return dilated - image + low
