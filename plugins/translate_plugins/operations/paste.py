"""A patch put into the hole of an image."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError


def paste(patch: Tensor, image: Tensor, /, *mask: Tensor) -> Tensor:
    """The complete picture of an inpainting: the patch where the hole is, the image elsewhere, unchanged to the bit.

    Without a mask the patch lies in the centre. With one, the hole may lie anywhere, in each example somewhere else:
    the patch is centred on the white pixels (a patch that overlaps the context by a few pixels on each side, as in
    Pathak et al. 2016, arXiv 1604.07379, section 3.2, is larger than the white square) and taken where they are. The
    place is found on the device; the patch is moved by two products with matrices of 0 and 1, which cost S W (H + T)
    multiplications for each channel and whose gradient is the same in every run.

    Args:
        patch: What to put in, N x C x S x T.
        image: The picture with the hole, N x C x H x W.
        *mask: N x 1 x H x W, white (above 0 in [-1, 1]) in the hole, one rectangle for each example. At most one mask.

    Shape:
        N x C x S x T and N x C x H x W -> N x C x H x W.

    Raises:
        ComponentError: The patch does not fit into the image, the mask does not fit to it, or there are two masks.
    """
    if patch.ndim != 4 or image.ndim != 4 or patch.shape[1] != image.shape[1]:
        raise ComponentError(
            f"paste takes a patch and an image of as many channels (got {_shown(patch)} and {_shown(image)})",
            fix="write paste(patch, image) or paste(patch, image, mask)",
        )
    # The exporter would take this for a limit of the file's own sizes.
    if not torch.compiler.is_exporting() and any(patch.shape[side] > image.shape[side] for side in (2, 3)):
        raise ComponentError(
            f"the patch, {_shown(patch)}, is larger than the image, {_shown(image)}", fix="exchange them, or resize one"
        )
    if any(one.ndim != 4 or one.shape[1] != 1 or one.shape[2:] != image.shape[2:] for one in mask) or len(mask) > 1:
        shapes = ", ".join(map(_shown, mask))
        raise ComponentError(
            f"paste takes one mask of one channel and the size of the image, {_shown(image)} (got {shapes})",
            fix="pass the field `mask` of the dataset",
        )
    white = mask[0] > 0 if mask else _centre(patch, image)
    return torch.where(white, _in_place(patch, white), image)


def _centre(patch: Tensor, image: Tensor) -> Tensor:
    """A mask of the patch's size in the centre, one pixel nearer to the top and left where it cannot be halved."""
    sides = []
    for side in (2, 3):
        inside = torch.arange(image.shape[side], device=image.device) - (image.shape[side] - patch.shape[side]) // 2
        sides.append((inside >= 0) & (inside < patch.shape[side]))
    return (sides[0][:, None] & sides[1])[None, None]


def _in_place(patch: Tensor, white: Tensor) -> Tensor:
    """The patch on an empty canvas, centred on the white pixels of each example."""
    down = _places(white.any(3), patch.shape[2]).to(patch.dtype)
    across = _places(white.any(2), patch.shape[3]).to(patch.dtype)
    return down @ patch @ across.transpose(2, 3)


def _places(white: Tensor, size: int) -> Tensor:
    """Which pixel of the patch lies at which of the image, along one side: N x 1 x L (image) x size (patch)."""
    position = torch.arange(white.shape[2], device=white.device)
    first = torch.where(white, position, white.shape[2]).amin(2, keepdim=True)
    margin = (size - white.sum(2, keepdim=True)) // 2
    inside = position - (first - margin)
    return inside[..., None] == torch.arange(size, device=white.device)


def _shown(value: Tensor) -> str:
    return "x".join(map(str, value.shape))
