"""Structural similarity."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import same_shape

WINDOW: Final = 11


def ssim(of: Tensor, to: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004), at most 1, which equal images have; larger is better.

    Gaussian window of 11 pixels and sigma 1.5, K1 = 0.01, K2 = 0.03, only where the window lies inside the image; each
    channel for itself, then the mean over channels, where the paper has grey images. The map is torchmetrics'.

    Args:
        of: The output, N x C x H x W in [0, 1].
        to: The target, same shape.

    Shape:
        N.

    Raises:
        ComponentError: The shapes differ or are smaller than the window.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # slow to import

    same_shape("ssim", of, to)
    if min(of.shape[2:]) < WINDOW:
        raise ComponentError(
            f"ssim needs images of {WINDOW}x{WINDOW} at least (got {of.shape[2]}x{of.shape[3]})", fix="use psnr or l1"
        )
    _, full = structural_similarity_index_measure(
        of.float(), to.float(), data_range=1.0, reduction="none", return_full_image=True
    )
    # torchmetrics' own mean counts windows that overhang the border too, filled by reflection.
    edge = WINDOW // 2
    inside: Tensor = full[..., edge:-edge, edge:-edge]
    return inside.flatten(1).mean(1)
