"""A generator that grows, or that makes images of every resolution at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from translate import Image, Spec
from translate.errors import ComponentError
from translate_plugins.growing import (
    SLOPE,
    SMALLEST,
    blend,
    doubled,
    he_initialise,
    last_stage,
    scalar_index,
    side_of,
    stage_at,
    width_of,
)
from translate_plugins.layers import Join, Output, PixelNorm, Width, output_activation

Base = Annotated[int, Field(ge=2)]


def progressive(
    *inputs: Spec,
    makes: Image,
    base: Base = 8192,
    most: Width = 512,
    scales: Literal["one", "all"] = "one",
    pixel_norm: bool = True,
    output: Output | None = None,
) -> nn.Module:
    """Generator of ProGAN (Karras et al. 2017, arXiv 1710.10196, table 2) from 4x4 to the size of what it makes.

    A dense layer to 4x4 and a 3x3 convolution, then for each doubling nearest-neighbour upsampling and two 3x3
    convolutions, each followed by LeakyReLU 0.2 and pixel norm; 1x1 convolutions to images. With a growth among its
    inputs, `G(z, growth)`, it makes images at the resolution of the stage, and computes nothing beyond it: while a
    stage is faded in, (1 - alpha) x the image of the stage before, repeated 2x2 times, + alpha x its own (figure 2).
    Without one it makes images of full size from the first step on.

    `scales: all` is the generator of MSG-GAN (Karnewar & Wang 2019, arXiv 1903.06048, section 3): images of every
    resolution at once, each by a 1x1 convolution.

    Take it with `weights: equalised`; without, it is initialised by He's rule. Latents from the latent `hypersphere`
    are normalised already. Inputs other than the growth are joined as vectors: labels one-hot, images flattened. Where
    we differ: the image ends in the activation that spans the range of `makes`, where the authors' has none (`output:
    linear`).

    Args:
        *inputs: Vectors, labels and images in any mix, and at most one number, the growth.
        makes: Images to make: squares of 4, 8, 16 ... pixels.
        base: Feature maps of 4x4 times 2, before the limit; halved with each doubling of the size. 8192 for 1024x1024,
            4096 for CIFAR-10.
        most: Most feature maps; 512, and 128 for CIFAR-10.
        scales: `all` makes a mapping of `full`, of `scales` (a list from 4x4 to full size) and of each by its side:
            `x4`, `x8` ...
        pixel_norm: Whether pixel norm follows each convolution.
        output: Last activation. None is the one that spans the range of `makes`.

    Shape:
        N x makes; at growth s and below N x C x side x side with side = 4 x 2^s.

    Raises:
        ComponentError: Sizes that are no power of two, several numbers among the inputs, a growth with `scales: all` or
            one that ends at another size, or pixel norm of a single feature map.
    """
    if not isinstance(makes, Image):
        raise ComponentError(f"progressive makes images, but `makes` is {makes}", fix="name an image field")
    last = last_stage("progressive", (makes.height, makes.width))
    growth = scalar_index("progressive", inputs)
    if growth is not None and scales == "all":
        raise ComponentError(
            "progressive with `scales: all` makes every resolution at once and does not grow",
            fix="call it without a growth, or leave `scales` out",
        )
    ends = None if growth is None else getattr(inputs[growth], "final", None)
    if ends is not None and ends != last:
        raise ComponentError(
            f"progressive grows to stage {ends:g}, which is {SMALLEST * 2**ends:g} pixels, but makes {makes}",
            fix=f"let the growth have {last + 1} stages (4x4 is the first), with a phase for each, or make "
            f"{SMALLEST * 2**ends:g} pixels (data.image_size)",
        )
    joined = Join("progressive", [spec for i, spec in enumerate(inputs) if i != growth], images=False, flat=True)
    widths = [width_of(stage, base, most) for stage in range(last + 1)]
    if pixel_norm and min(widths) == 1:
        raise ComponentError(
            "progressive: pixel norm of one feature map leaves only its sign",
            fix=f"set `base: {4 << (last + 1)}` or more, or `pixel_norm: false`",
        )
    activation = output_activation(makes, output)
    generator = ProgressiveGenerator(
        joined, growth, widths, makes.channels, activation, every=scales == "all", pixel_norm=pixel_norm
    )
    return he_initialise(generator)


class ProgressiveGenerator(nn.Module):
    """The network behind `progressive`.

    Args:
        joined: Joins the inputs other than the growth.
        growth: Which input is the growth; None = no growth.
        widths: Feature maps of each stage.
        channels: Of the images.
        activation: Last activation of the images.
        every: Whether images of all stages are made.
        pixel_norm: Whether pixel norm follows each convolution.
    """

    def __init__(
        self,
        joined: Join,
        growth: int | None,
        widths: Sequence[int],
        channels: int,
        activation: nn.Module,
        *,
        every: bool,
        pixel_norm: bool,
    ) -> None:
        super().__init__()
        self.growth, self.last, self.every = growth, len(widths) - 1, every
        self.joined = joined

        def after() -> list[nn.Module]:
            return [nn.LeakyReLU(SLOPE), *([PixelNorm()] if pixel_norm else [])]

        def convolution(before: int, width: int) -> list[nn.Module]:
            return [nn.Conv2d(before, width, 3, padding=1), *after()]

        first = widths[0]
        dense = [nn.Linear(joined.channels, first * SMALLEST**2), nn.Unflatten(1, (first, SMALLEST, SMALLEST))]
        self.blocks = nn.ModuleList([nn.Sequential(*dense, *after(), *convolution(first, first))])
        for before, width in pairwise(widths):
            up = nn.Upsample(scale_factor=2)
            self.blocks.append(nn.Sequential(up, *convolution(before, width), *convolution(width, width)))
        shown = range(len(widths)) if every or growth is not None else [self.last]
        self.to_image = nn.ModuleDict({f"x{side_of(s)}": nn.Conv2d(widths[s], channels, 1) for s in shown})
        self.activation = activation

    def forward(self, *inputs: Any) -> Any:
        """Images of the stage, or of all."""
        stage, alpha = self.last, 1.0
        if self.growth is not None:
            stage, alpha = stage_at("progressive", float(inputs[self.growth]), self.last)
        x: Tensor = self.joined(*(value for index, value in enumerate(inputs) if index != self.growth))
        features = []
        for block in list(self.blocks)[: stage + 1]:
            x = block(x)
            features.append(x)
        if self.every:
            images = {name: self.activation(layer(x)) for (name, layer), x in self._images(features)}
            return {"full": images[f"x{side_of(self.last)}"], "scales": list(images.values()), **images}
        return self.activation(self.faded(features, stage, alpha))

    def faded(self, features: Sequence[Tensor], stage: int, alpha: float) -> Tensor:
        """The image of a stage before the last activation, mixed with that of the stage before unless alpha is 1."""
        image: Tensor = self.to_image[f"x{side_of(stage)}"](features[stage])
        if alpha == 1:
            return image
        before = self.to_image[f"x{side_of(stage - 1)}"](features[stage - 1])
        return blend(doubled(before), image, alpha)

    def _images(self, features: Sequence[Tensor]) -> list[tuple[tuple[str, nn.Module], Tensor]]:
        return list(zip(self.to_image.items(), features, strict=True))
