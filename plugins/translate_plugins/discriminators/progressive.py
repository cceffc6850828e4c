"""A discriminator that grows, or that takes images of every resolution at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Spec, marked
from translate.errors import ComponentError
from translate.specs import Several
from translate_plugins.blurring import Blur
from translate_plugins.growing import (
    SLOPE,
    SMALLEST,
    blend,
    halved,
    he_initialise,
    last_stage,
    scalar_index,
    side_of,
    stage_at,
    width_of,
)
from translate_plugins.layers import Join, Width, joined_images
from translate_plugins.operations.minibatch_stddev import minibatch_stddev

Base = Annotated[int, Field(ge=2)]


@marked(least_batch=2)
def progressive(
    *inputs: Spec,
    base: Base = 8192,
    most: Width = 512,
    group: Annotated[int, Field(ge=2)] | None = None,
    blur: bool = False,
    outputs: Width = 1,
) -> nn.Module:
    """Discriminator of ProGAN (Karras et al. 2017, arXiv 1710.10196, table 2) from the size of its images to 4x4.

    A 1x1 convolution from images, two 3x3 convolutions and average pooling for each halving, the minibatch standard
    deviation as one more map, a 3x3 convolution and two dense layers; LeakyReLU 0.2, no normalisation. With a growth
    among its inputs, `D(shrink(image, growth), growth)`, it takes images of the stage's size: while a stage is faded
    in, (1 - alpha) x what the stage before makes of the halved image + alpha x what the new one makes (figure 2).

    With a list of images from 4x4 up, `D(pyramid(image))` or `D(made.scales)`, it is the discriminator of MSG-GAN
    (Karnewar & Wang 2019, arXiv 1903.06048, section 3.1): each resolution enters where the maps have its size, by a 1x1
    convolution to half as many maps, joined to them (phi_lin_cat). Where we differ: one minibatch standard deviation,
    at 4x4, where the authors' has one at every resolution.

    Take it with `weights: equalised`; without, it is initialised by He's rule. Other inputs are joined to the images on
    their channels, at every resolution: labels one-hot, vectors repeated.

    Args:
        *inputs: Images of one size, or lists of images of all sizes; vectors, labels, and at most one number, the
            growth.
        base: Feature maps of 4x4 times 2, before the limit; halved with each doubling of the size. 8192 for 1024x1024,
            4096 for CIFAR-10.
        most: Most feature maps; 512, and 128 for CIFAR-10.
        group: Examples over which the standard deviation is taken; null is the whole batch, as in the paper.
        blur: Blur by [1, 2, 1] before each halving, as StyleGAN does (Karras et al. 2018, arXiv 1812.04948, section 2).
        outputs: Numbers that it gives for each example: 1 for a judge, many for a trunk with heads behind it.

    Shape:
        N x C_i x H x W -> N x outputs.

    Raises:
        ComponentError: Sizes that are no power of two, several numbers among the inputs, a growth beside a list, or a
            list that is not from 4x4 up.
    """
    growth = scalar_index("progressive", inputs)
    others = [spec for index, spec in enumerate(inputs) if index != growth]
    if any(isinstance(spec, Several) for spec in others):
        if growth is not None:
            raise ComponentError(
                "progressive takes a growth or a list of images, not both", fix="leave the growth or the list out"
            )
        joins = _joined_scales(others)
    else:
        joined, *size = joined_images("progressive", others)
        joins = [joined] * (last_stage("progressive", size) + 1)
    every = any(isinstance(spec, Several) for spec in others)
    widths = [width_of(stage, base, most) for stage in range(-1, len(joins))]
    return he_initialise(ProgressiveDiscriminator(joins, growth, widths, outputs, every=every, group=group, blur=blur))


def _joined_scales(specs: Sequence[Spec]) -> list[Join]:
    """A `Join` for each resolution, from 4x4 up."""
    lists = [spec.parts for spec in specs if isinstance(spec, Several)]
    count = len(lists[0])
    for parts in lists:
        sizes = [tuple(part.shape[1:]) for part in parts]
        if sizes != [(side_of(stage),) * 2 for stage in range(count)]:
            shown = ", ".join("x".join(map(str, size)) for size in sizes)
            raise ComponentError(
                f"progressive takes lists of images from 4x4 up, each twice as large as the one before (got {shown})",
                fix="write D(pyramid(image)) and D(made.scales)",
            )
    return [
        Join("progressive", [spec.parts[stage] if isinstance(spec, Several) else spec for spec in specs])
        for stage in range(count)
    ]


class ProgressiveDiscriminator(nn.Module):
    """The network behind `progressive`.

    Args:
        joins: Joins the inputs of each stage.
        growth: Which input is the growth; None = no growth.
        widths: Feature maps of the last dense layer, then of each stage.
        outputs: Numbers for each example.
        every: Whether it takes images of all stages.
        group: Examples over which the standard deviation is taken; None = all.
        blur: Whether maps are blurred before each halving.
    """

    def __init__(
        self,
        joins: Sequence[Join],
        growth: int | None,
        widths: Sequence[int],
        outputs: int,
        *,
        every: bool,
        group: int | None,
        blur: bool,
    ) -> None:
        super().__init__()
        self.growth, self.last, self.every, self.group = growth, len(joins) - 1, every, group
        self.joins = nn.ModuleList(joins)
        dense, *maps = widths
        # What enters beside the maps of the stage above, where it does.
        beside = [max(1, width // 2) if every and stage < self.last else 0 for stage, width in enumerate(maps)]
        shown = range(len(maps)) if every or growth is not None else [self.last]
        self.from_image = nn.ModuleDict({
            f"x{side_of(s)}": nn.Sequential(nn.Conv2d(joins[s].channels, beside[s] or maps[s], 1), nn.LeakyReLU(SLOPE))
            for s in shown
        })  # fmt: skip
        first = maps[0]
        self.blocks = nn.ModuleList([
            nn.Sequential(
                *_convolution(first + beside[0] + 1, first),
                nn.Flatten(),
                nn.Linear(first * SMALLEST**2, dense),
                nn.LeakyReLU(SLOPE),
                nn.Linear(dense, outputs),
            )
        ])  # fmt: skip
        for stage in range(1, len(maps)):
            width = maps[stage]
            smoothed = [Blur()] if blur else []
            layers = [*_convolution(width + beside[stage], width), *smoothed, *_convolution(width, maps[stage - 1])]
            self.blocks.append(nn.Sequential(*layers, nn.AvgPool2d(2)))

    def forward(self, *inputs: Any) -> Tensor:
        """Judge images of the stage, or of all."""
        stage, alpha = self.last, 1.0
        if self.growth is not None:
            stage, alpha = stage_at("progressive", float(inputs[self.growth]), self.last)
        others = [value for index, value in enumerate(inputs) if index != self.growth]
        image = self._joined(others, stage)
        if image.shape[-1] != side_of(stage):
            raise ComponentError(
                f"progressive judges images of {side_of(stage)}x{side_of(stage)} now (got {image.shape[-1]})",
                fix="write D(shrink(image, growth), growth) and D(G(z, growth), growth)",
            )
        x = self._entered(image, stage)
        for level in range(stage, 0, -1):
            x = self.blocks[level](x)
            if self.every:
                x = torch.cat([x, self._entered(self._joined(others, level - 1), level - 1)], dim=1)
            elif level == stage and alpha != 1:
                x = blend(self._entered(halved(image), level - 1), x, alpha)
        judged: Tensor = self.blocks[0](minibatch_stddev(x, group=self.group))
        return judged

    def _joined(self, values: Sequence[Any], stage: int) -> Tensor:
        joined: Tensor = self.joins[stage](
            *(value[stage] if isinstance(value, list | tuple) else value for value in values)
        )
        return joined

    def _entered(self, image: Tensor, stage: int) -> Tensor:
        entered: Tensor = self.from_image[f"x{side_of(stage)}"](image)
        return entered


def _convolution(before: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(before, width, 3, padding=1), nn.LeakyReLU(SLOPE)]
