"""Synthesis network of StyleGAN: an image from style codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Image, Spec
from translate.errors import ComponentError
from translate_plugins.blurring import Blur
from translate_plugins.fixed_noise import fixed_noise
from translate_plugins.growing import (
    SLOPE,
    SMALLEST,
    blend,
    doubled,
    he_initialise,
    last_stage,
    side_of,
    stage_at,
    width_of,
)
from translate_plugins.layers import Output, Width, output_activation

Base = Annotated[int, Field(ge=2)]
Share = Annotated[float, Field(ge=0, le=1)]

_EPS: Final = 1e-8  # of the authors' code
_SEED: Final = 0  # of the noise outside training
_LINEAR: Final = math.sqrt(0.5)  # takes He's gain of sqrt(2) back where no rectifier follows


def synthesis(
    style: Spec,
    /,
    *more: Spec,
    makes: Image,
    base: Base = 8192,
    most: Width = 512,
    mixing: Share = 0.9,
    grows: bool = False,
    output: Output | None = None,
) -> nn.Module:
    """Synthesis network of StyleGAN (Karras et al. 2018, arXiv 1812.04948, section 2, figure 1b).

    A learned constant of 4x4 is doubled up to the size of `makes`, with two layers at each size: a 3x3 convolution
    (none in front of the first layer; behind a doubling the maps are blurred by [1, 2, 1]), noise, LeakyReLU 0.2, and
    AdaIN (equation 1): each map is normalised to mean 0 and deviation 1, then multiplied and shifted by an affine map
    of the style code. Noise is one map for all channels, times a learned factor of each, which starts at 0. A 1x1
    convolution makes the channels of the image. A picture of 32x32 has 8 layers, one of 1024x1024 has 18.

    How it is called:

    - `G(w)` draws everything in the style w.
    - `G(w, w2)` mixes styles (section 3.1): in training, with probability `mixing`, the layers from a random one on
      take w2. The place is drawn for each example; the authors' code draws one for the batch. Outside training it is
      `G(w)`.
    - `G(w, w2, cut)` takes w for the layers 0 to cut - 1 and w2 for the others: 0 is w2 alone. `cut` is a number
      (`G(w, w2, cut=4)`) or a value for each example, such as a latent that is an input of an exported file.
    - `noise=seed`, behind any of them, asks for the noise of that seed: a number, or a label for each example. Without
      it noise is fresh in training, and that of seed 0 outside, so that a style always gives the same picture.
    - `growth=growth`, behind any of them, where it `grows`: the value of the schedule `growth`, as in the generator
      `progressive`; only the layers of that stage are computed, and mixed.

    Take it with `weights: equalised`; without, it is initialised by He's rule. As in the authors' code the scale of
    AdaIN is 1 + what the affine map gives, and affine maps and the last convolution have a gain of 1. Where we differ:
    the constant starts at N(0, 1), theirs at 1, which the first normalisation would turn into 0; the blur repeats the
    border, theirs has zeros beyond it; the last activation spans the range of `makes` (`output: linear` is theirs).

    Args:
        style: The style code, a vector.
        *more: The second code, and where it begins.
        makes: The images to make: square, the side a power of two from 4 on.
        base: Feature maps of 4x4 times 2, before the limit; halved with each doubling of the size. 8192 for 1024x1024.
        most: Most feature maps; 512 in the paper.
        mixing: Probability of mixing in training; 0.9 in the paper.
        grows: Whether it is called with a growth.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].

    Shape:
        N x size, N x size, N or N x 1 -> N x makes.channels x H x W.

    Raises:
        ComponentError: A style that is no vector, two of different sizes, or an image that is not square with a side
            that is a power of two.
    """
    size = _style_size(style, more[:1])
    if not isinstance(makes, Image):
        raise ComponentError(f"synthesis makes images, but `makes` is {makes}", fix="name an image field")
    last = last_stage("synthesis", (makes.height, makes.width))
    maps = [width_of(stage, base, most) for stage in range(last + 1)]
    activation = output_activation(makes, output)
    return he_initialise(Synthesis(size, maps, makes.channels, mixing=mixing, grows=grows, activation=activation))


class StyledLayer(nn.Module):
    """What follows a convolution: noise, activation, and the style.

    Args:
        number: Of the layer in its network, so that each has noise of its own.
        maps: Channels.
        style_size: Length of the style code.
    """

    def __init__(self, number: int, maps: int, style_size: int) -> None:
        super().__init__()
        self.number = number
        self.noise_scale = nn.Parameter(torch.zeros(maps))
        self.style = nn.Linear(style_size, 2 * maps)

    def forward(self, x: Tensor, style: Tensor, seed: Tensor | int | None = None) -> Tensor:
        """Add noise, activate, and bring each map to the mean and deviation that the style says."""
        x = F.leaky_relu(x + self.noise_scale[:, None, None] * self._noise(x, seed), SLOPE)
        scale, shift = (_LINEAR * self.style(style)).chunk(2, dim=1)
        return adain(x, 1.0 + scale, shift)

    def _noise(self, x: Tensor, seed: Tensor | int | None) -> Tensor:
        if seed is None and self.training:
            return torch.randn(x.shape[0], 1, *x.shape[2:], dtype=x.dtype, device=x.device)
        return fixed_noise(_SEED if seed is None else seed, self.number, x)


class Synthesis(nn.Module):
    """The network behind `synthesis`.

    Args:
        style_size: Length of a style code.
        maps: Channels at 4x4, 8x8 and so on.
        out_channels: Channels of the image.
        mixing: Probability of mixing in training.
        grows: Whether images of each stage are made.
        activation: The last activation.
    """

    not_weights = ("constant",)

    def __init__(
        self,
        style_size: int,
        maps: Sequence[int],
        out_channels: int,
        *,
        mixing: float,
        grows: bool,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        self.mixing, self.grows, self.last = mixing, grows, len(maps) - 1
        self.constant = nn.Parameter(torch.randn(maps[0], SMALLEST, SMALLEST))
        self.convolutions = nn.ModuleList([nn.Identity(), nn.Conv2d(maps[0], maps[0], 3, padding=1)])
        for before, after in pairwise(maps):
            up = nn.Upsample(scale_factor=2)
            self.convolutions.append(nn.Sequential(up, nn.Conv2d(before, after, 3, padding=1), Blur()))
            self.convolutions.append(nn.Conv2d(after, after, 3, padding=1))
        self.layers = nn.ModuleList(
            StyledLayer(number, maps[number // 2], style_size) for number in range(2 * len(maps))
        )
        shown = range(len(maps)) if grows else [self.last]
        self.to_image = nn.ModuleDict({f"x{side_of(s)}": nn.Conv2d(maps[s], out_channels, 1) for s in shown})
        self.activation = activation

    def forward(
        self,
        style: Tensor,
        second: Tensor | None = None,
        cut: Tensor | float | None = None,
        *,
        noise: Tensor | int | None = None,
        growth: float | None = None,
    ) -> Tensor:
        """Draw images; see `synthesis` for the arguments.

        Raises:
            ComponentError: A cut without a second style, or a growth where it does not grow.
        """
        if second is None and cut is not None:
            raise ComponentError("synthesis: a cut needs a second style", fix="write G(w, w2, cut)")
        if growth is not None and not self.grows:
            raise ComponentError("synthesis is called with a growth, but does not grow", fix="set `grows: true`")
        stage, alpha = (self.last, 1.0) if growth is None else stage_at("synthesis", float(growth), self.last)
        count = 2 * (stage + 1)
        if second is not None and cut is None and self.training and self.mixing:
            cut = self._drawn_cut(style, count)
        x = before = self.constant.expand(style.shape[0], -1, -1, -1)
        for number, (convolution, layer) in enumerate(zip(self.convolutions[:count], self.layers[:count], strict=True)):
            before = x if number == count - 2 else before
            x = layer(convolution(x), _chosen(style, second, cut, number), noise)
        image = self._image(x, stage)
        if alpha != 1:
            image = blend(doubled(self._image(before, stage - 1)), image, alpha)
        result: Tensor = self.activation(image)
        return result

    def _image(self, x: Tensor, stage: int) -> Tensor:
        image: Tensor = _LINEAR * self.to_image[f"x{side_of(stage)}"](x)
        return image

    def _drawn_cut(self, style: Tensor, count: int) -> Tensor:
        """For each example, a random layer from 1 on, or behind the last one: N x 1."""
        shape = (style.shape[0], 1)
        place = torch.randint(1, count, shape, device=style.device)
        return torch.where(torch.rand(shape, device=style.device) < self.mixing, place, count)


def adain(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Adaptive instance normalisation (Huang & Belongie 2017, arXiv 1703.06868; Karras et al. 2018, equation 1).

    Each map gets mean `shift` and standard deviation |scale|. Statistics are taken in float32.

    Args:
        x: Maps, N x C x H x W.
        scale: N x C.
        shift: N x C.
    """
    normal = F.instance_norm(x if x.dtype == torch.float64 else x.float(), eps=_EPS).to(x.dtype)
    return normal * scale[:, :, None, None] + shift[:, :, None, None]


def _chosen(style: Tensor, second: Tensor | None, cut: Tensor | float | None, number: int) -> Tensor:
    """The style of a layer."""
    if second is None or cut is None:
        return style
    if isinstance(cut, Tensor):
        return torch.where(number < cut.reshape(-1, 1), style, second)
    return style if number < cut else second


def _style_size(style: Spec, second: tuple[Spec, ...]) -> int:
    for each in (style, *second):
        if len(each.shape) != 1:
            raise ComponentError(
                f"synthesis takes style codes, which are vectors (got {each})",
                fix="write G(M(z)), where M is a `stack` that ends in a dense layer",
            )
        if each.shape != style.shape:
            raise ComponentError(
                f"synthesis mixes style codes of one size (got {style} and {each})", fix="take both from one network"
            )
    return style.shape[0]
