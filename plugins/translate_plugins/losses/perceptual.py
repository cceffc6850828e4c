"""Perceptual loss on the features of a trained classifier."""

from __future__ import annotations

from typing import Final, TypeAlias

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.losses import vgg19
from translate_plugins.losses.nested import precise

_WEIGHTS: Final = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
# Of ImageNet's images in [0, 1], red, green, blue: what VGG-19 was trained with (torchvision's documentation).
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)

_Place: TypeAlias = "tuple[torch.device, torch.dtype]"


class Perceptual:
    """Perceptual loss of pix2pixHD's code (Wang et al. 2017, arXiv 1711.11585; weight 10), after Johnson et al. 2016.

    sum_i w_i mean |F_i(of) - F_i(to)|, where F_i are the features relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1 of
    VGG-19 trained on ImageNet and w = 1/32, 1/16, 1/8, 1/4, 1, as in the authors' code; but images are normalised
    as VGG-19's were, which that code leaves out. The network never learns, is no part of checkpoints, and works in
    float32. No gradient flows to `to`. Counts on the generators' side only.

    The weights are never downloaded: without them the pipeline is refused before anything starts. They are
    torchvision's, under its own licence and ImageNet's terms.

    Args:
        weights_file: File of torchvision's VGG-19, of which `translate import-weights vgg19-dcbb9e9d.pth` makes the
            safetensors file; null looks for vgg19-*.safetensors in torch's cache, `checkpoints` in
            `torch.hub.get_dir()`.
        low: Value of black; the low end of the data's value range.
        high: Value of full intensity.

    Shape:
        N x 3 x H x W or N x 1 x H x W (grey, taken as three equal channels), both sides at least 16 pixels.

    Raises:
        ComponentError: The weights are not there, or not VGG-19's; `low` is not below `high`.
    """

    def __init__(self, *, weights_file: str | None = None, low: float = -1.0, high: float = 1.0) -> None:
        if low >= high:
            raise ComponentError(f"perceptual: low must be below high (got {low} and {high})", fix="exchange them")
        self.low, self.high = low, high
        self._layers = vgg19.load_weights(vgg19.find_weights(weights_file))
        self._placed: dict[_Place, tuple[vgg19.Layers, Tensor, Tensor]] = {}

    def generator(self, of: Tensor, to: Tensor) -> Tensor:
        """Features of `of` to those of `to`.

        Raises:
            ComponentError: No images of three channels or one, of different shapes, or too small.
        """
        _check(of, to)
        found = self._features(precise(of))
        with torch.no_grad():
            wanted = self._features(precise(to))
        terms = [weight * (a - b).abs().mean() for weight, a, b in zip(_WEIGHTS, found, wanted, strict=True)]
        return torch.stack(terms).sum()

    def _features(self, image: Tensor) -> list[Tensor]:
        layers, scale, shift = self._on(image)
        return vgg19.features(image * scale + shift, layers)

    def _on(self, image: Tensor) -> tuple[vgg19.Layers, Tensor, Tensor]:
        """The network where the images are, moved there once; and what takes them from their range to ImageNet's."""
        place = (image.device, image.dtype)
        if place not in self._placed:
            layers = tuple((weight.to(*place), bias.to(*place)) for weight, bias in self._layers)
            mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (_MEAN, _STD))
            scale = 1 / (std * (self.high - self.low))
            shift = -(mean / std + self.low * scale)
            scale, shift = (values.to(image.dtype).to(image.device) for values in (scale, shift))
            self._placed[place] = (layers, scale, shift)
        return self._placed[place]


def _check(of: Tensor, to: Tensor) -> None:
    fits = of.shape == to.shape and of.ndim == 4 and of.shape[1] in {1, 3}
    if not fits or min(of.shape[2:]) < vgg19.SMALLEST:
        raise ComponentError(
            f"perceptual compares images of one shape, with 3 channels or 1 and sides of at least {vgg19.SMALLEST} "
            f"(got {tuple(of.shape)} and {tuple(to.shape)})",
            fix="compare images; resize(image, size=...) changes their size",
        )
