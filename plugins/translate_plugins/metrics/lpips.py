"""Learned perceptual distance."""

from __future__ import annotations

from typing import Any, Final, Literal

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import images_of, not_empty, same_shape
from translate_plugins.metrics.colour import as_rgb
from translate_plugins.metrics.weights import known_randomness, missing_weights, refuse_code

Network = Literal["alex", "vgg", "squeeze"]

_WEIGHTS: Final = {
    "alex": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "vgg": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "squeeze": "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
}
SMALLEST: Final = {"alex": 31, "vgg": 16, "squeeze": 17}


class Lpips:
    """Learned perceptual image patch similarity, LPIPS (Zhang et al. 2018, arXiv 1801.03924, equation 1), of each pair.

    0 for equal images; smaller is better. Torchmetrics', which brings the linear weights (version 0.1); those of the
    network behind them are torchvision's and never downloaded: without them the metric is unavailable.

    Args:
        network: The network behind it. The authors recommend alex as a measure, vgg as a loss.
    """

    def __init__(self, *, network: Network = "alex") -> None:
        self._network = network
        self._metric: Any = None

    def unavailable(self) -> str | None:
        """What is missing on this machine."""
        return missing_weights(_WEIGHTS[self._network])

    def update(self, of: Any, to: Any) -> None:
        """Compare the pairs of a batch.

        Args:
            of: Outputs, N x C x H x W in [0, 1], grey or RGB, or lists of them.
            to: Targets, same shape.

        Raises:
            ComponentError: The shapes differ, or the images are too small for the network.
            ModelFileError: The weights cannot be read.
        """
        of, to = images_of("lpips", of), images_of("lpips", to)
        same_shape("lpips", of, to)
        smallest = SMALLEST[self._network]
        if min(of.shape[2:]) < smallest:
            raise ComponentError(
                f"lpips needs images of {smallest}x{smallest} at least with the network {self._network} "
                f"(got {of.shape[2]}x{of.shape[3]})",
                fix="use resize(image, size=64) on both, or ssim",
            )
        if self._metric is None:
            self._metric = self._load().to(of.device)
        with torch.no_grad():
            self._metric.update(as_rgb("lpips", of), as_rgb("lpips", to))

    def compute(self) -> Tensor:
        """The distance of each pair.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("lpips", 0 if self._metric is None else 1)
        values: Tensor = self._metric.compute()
        return values.reshape(-1)

    def _load(self) -> Any:
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity  # slow to import

        refuse_code(_WEIGHTS[self._network])
        with known_randomness():
            return LearnedPerceptualImagePatchSimilarity(net_type=self._network, reduction="none", normalize=True)
