"""Differentiable augmentation."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate_plugins.operations.images import check_image
from translate_plugins.operations.ranges import check_range


class Augment(nn.Module):
    """Differentiable augmentation of what a discriminator sees (Zhao et al. 2020, arXiv 2006.10738, section 3.3).

    Write it around real and fake examples alike, `real: "D(augment(target))", fake: "D(augment(fake))"`, or a
    discriminator would learn the augmentation, and around a whole pair, `D(augment(concat(source, fake)))`, so that
    both are treated alike. The gradient reaches the generator through it. Every example gets its own random numbers at
    every call, from torch's global generator. Outside of training it changes nothing.

    As in the authors' code: brightness + U(-1/2, 1/2) on a range of [-1, 1], saturation x U(0, 2) about the mean of a
    pixel's channels (all of a joined image's), contrast x U(1/2, 3/2) about the mean of the example, then a shift by
    whole pixels, then a square cut out anywhere, also partly outside.

    The shift is made of selections between an image and its copies shifted by powers of two: exact, without a product
    of matrices, and with a gradient that is the same in every run.

    Args:
        color: Change brightness, saturation and contrast.
        translation: Largest shift, as a share of height and width; 1/8 in the paper, 0 for none.
        cutout: Side of the square cut out, as a share of height and width; 1/2 in the paper, 0 for none.
        low: Value of black; the low end of the data's value range.
        high: Value of full intensity.
        fill: Value of what is cut out or comes from outside; null is the middle of the range, the authors' 0.

    Shape:
        N x C x H x W -> same.

    Raises:
        ComponentError: `low` is not below `high`.
    """

    both_sides = True
    moves_values = True

    def __init__(
        self,
        *,
        color: bool = True,
        translation: Annotated[float, Field(ge=0, lt=1)] = 0.125,
        cutout: Annotated[float, Field(ge=0, le=1)] = 0.5,
        low: float = -1.0,
        high: float = 1.0,
        fill: float | None = None,
    ) -> None:
        super().__init__()
        check_range("augment", low, high)
        self.color, self.translation, self.cutout = color, translation, cutout
        self.span = (high - low) / 2
        self.fill = (low + high) / 2 if fill is None else fill

    def forward(self, image: Tensor, /) -> Tensor:
        """Augment.

        Raises:
            ComponentError: `image` is no image.
        """
        check_image("augment", image)
        if not self.training:
            return image
        if self.color:
            image = self._recolored(image)
        if self.translation:
            image = self._shifted(self._shifted(image, 2), 3)
        return self._cut(image) if self.cutout else image

    def _recolored(self, image: Tensor) -> Tensor:
        brightness, saturation, contrast = torch.rand(3, len(image), 1, 1, 1, device=image.device).unbind()
        image = image + self.span * (brightness - 0.5)
        grey = image.mean(1, keepdim=True)
        image = grey + 2 * saturation * (image - grey)
        middle = image.mean((1, 2, 3), keepdim=True)
        return middle + (0.5 + contrast) * (image - middle)

    def _shifted(self, image: Tensor, dim: int) -> Tensor:
        most = _pixels(image.shape[dim], self.translation)
        start = torch.randint(2 * most + 1, (len(image), 1, 1, 1), device=image.device)
        bits = (2 * most).bit_length()
        # Padded so that every window that `start` can ask for lies inside, then narrowed by one binary digit at a time.
        sides = (most, (1 << bits) - 1 - most)
        image = F.pad(image, (0, 0, *sides) if dim == 2 else sides, value=self.fill)
        for bit in reversed(range(bits)):
            step = 1 << bit
            length = image.shape[dim] - step
            later = (start // step) % 2 == 1
            image = torch.where(later, image.narrow(dim, step, length), image.narrow(dim, 0, length))
        return image

    def _cut(self, image: Tensor) -> Tensor:
        down, across = (self._cut_along(image, dim) for dim in (2, 3))
        return torch.where(down[:, None, :, None] & across[:, None, None, :], self.fill, image)

    def _cut_along(self, image: Tensor, dim: int) -> Tensor:
        """Which positions along one side are cut, N x length."""
        length = image.shape[dim]
        size = _pixels(length, self.cutout)
        first = torch.randint(length + (1 - size % 2), (len(image), 1), device=image.device) - size // 2
        position = torch.arange(length, device=image.device)
        return (position >= first) & (position < first + size)


def _pixels(length: int, share: float) -> int:
    return int(length * share + 0.5)
