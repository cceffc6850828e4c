"""U-Net generator of pix2pix, and the same network with its skip connections cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Image, Spec
from translate.errors import ComponentError
from translate_plugins.layers import (
    Dropout,
    InitStd,
    Join,
    Norm,
    Output,
    Width,
    check_makes,
    initialise,
    joined_images,
    needs_bias,
    norm_layers,
    output_activation,
)

Depth = Annotated[int, Field(ge=1)]

_DROPOUT_BLOCKS = 3


def unet(
    *inputs: Spec,
    makes: Image,
    depth: Depth | None = None,
    width: Width = 64,
    max_width: Width | None = None,
    dropout: Dropout = 0.5,
    norm: Norm = "batch",
    output: Output | None = None,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """U-Net of pix2pix (Isola et al. 2016, arXiv 1611.07004, appendix 6.1.1).

    At 256x256 the encoder is C64-C128-C256-C512-C512-C512-C512-C512 and the decoder
    CD512-CD1024-CD1024-C1024-C1024-C512-C256-C128, where the decoder's numbers count the channels that enter a block,
    skip connection included. All convolutions are 4x4 with stride 2; LeakyReLU 0.2 down, ReLU up. Where we differ from
    the text: the innermost block has no normalisation (the paper's erratum: it would zero a 1x1 bottleneck), and skips
    carry values before the activation, as in the authors' code. Dropout is an ordinary layer: whether it is active when
    pictures are made is the pipeline's choice (`inference.dropout`; on in the paper).

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, joined on their channels.
        makes: The images to make; same size as the inputs.
        depth: Halvings of the size. None is as many as height and width allow: 8 at 256, down to 1x1.
        width: Channels of the first block; 64 in the paper. Doubles with each block.
        max_width: Limit of the doubling. None is 8 x width, 512 in the paper.
        dropout: Share of values dropped in the first three decoder blocks; 0.5 in the paper. 0 is no such layer.
        norm: Normalisation of all blocks but the first, the innermost and the last; `batch` in the paper.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].
        init_std: Standard deviation of the initial weights; 0.02 in the paper.

    Shape:
        N x C_i x H x W each -> N x makes.channels x H x W. H and W must be multiples of 2 ** depth.

    Raises:
        ComponentError: Inputs of different sizes, a depth that the size does not allow, an output that does not fit.
    """
    return _build(
        "unet",
        inputs,
        makes,
        depth,
        width,
        max_width,
        dropout=dropout,
        norm=norm,
        output=output,
        std=init_std,
        skips=True,
    )


def encoder_decoder(
    *inputs: Spec,
    makes: Image,
    depth: Depth | None = None,
    width: Width = 64,
    max_width: Width | None = None,
    dropout: Dropout = 0.5,
    norm: Norm = "batch",
    output: Output | None = None,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """Encoder-decoder of pix2pix (Isola et al. 2016, arXiv 1611.07004, appendix 6.1.1): the U-Net with its skips cut.

    At 256x256 the decoder is CD512-CD512-CD512-C512-C512-C256-C128-C64, counted as in `unet`: everything passes through
    the bottleneck. All else, and where we differ, as in `unet`.

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, joined on their channels.
        makes: The images to make; same size as the inputs.
        depth: Halvings of the size. None is as many as height and width allow: 8 at 256, down to 1x1.
        width: Channels of the first block; 64 in the paper. Doubles with each block.
        max_width: Limit of the doubling. None is 8 x width, 512 in the paper.
        dropout: Share of values dropped in the first three decoder blocks; 0.5 in the paper. 0 is no such layer.
        norm: Normalisation of all blocks but the first, the innermost and the last; `batch` in the paper.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].
        init_std: Standard deviation of the initial weights; 0.02 in the paper.

    Shape:
        N x C_i x H x W each -> N x makes.channels x H x W. H and W must be multiples of 2 ** depth.

    Raises:
        ComponentError: Inputs of different sizes, a depth that the size does not allow, an output that does not fit.
    """
    name = "encoder_decoder"
    return _build(
        name,
        inputs,
        makes,
        depth,
        width,
        max_width,
        dropout=dropout,
        norm=norm,
        output=output,
        std=init_std,
        skips=False,
    )


class UNet(nn.Module):
    """The network behind `unet` and `encoder_decoder`.

    Args:
        joined: Joins the inputs.
        out_channels: Channels of the output.
        widths: Channels after each encoder block, outermost first.
        dropout: Share of values dropped in the first three decoder blocks.
        norm: Normalisation of the blocks that have one.
        activation: The last activation.
        skips: Whether each decoder block but the first also sees the encoder's output of its size.
    """

    def __init__(
        self,
        joined: Join,
        out_channels: int,
        widths: Sequence[int],
        *,
        dropout: float,
        norm: Norm,
        activation: nn.Module,
        skips: bool,
    ) -> None:
        super().__init__()
        depth = len(widths)
        self.size_divisor: int = 2**depth
        self.skips = skips
        self.joined = joined
        self.encoder = nn.ModuleList(
            _down(before, after, norm="none" if level in {0, depth - 1} else norm, activate=level > 0)
            for level, (before, after) in enumerate(pairwise([joined.channels, *widths]))
        )
        upwards = list(reversed(widths))
        self.decoder = nn.ModuleList(
            _up(before * (2 if skips and level else 1), after, norm, dropout if level < _DROPOUT_BLOCKS else 0.0)
            for level, (before, after) in enumerate(pairwise(upwards))
        )
        last = upwards[-1] * (2 if skips and depth > 1 else 1)
        self.decoder.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(last, out_channels, 4, 2, 1), activation))

    def forward(self, *inputs: Tensor) -> Tensor:
        """Translate images; see `unet` for the shapes."""
        x: Tensor = self.joined(*inputs)
        kept: list[Tensor] = []
        for block in self.encoder:
            x = block(x)
            kept.append(x)
        kept.pop()  # the bottleneck itself is no skip
        for block in self.decoder:
            x = block(x)
            if self.skips and kept:
                x = torch.cat([x, kept.pop()], dim=1)
        return x


def _down(before: int, after: int, *, norm: Norm, activate: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if activate else []
    layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=needs_bias(norm)))
    return nn.Sequential(*layers, *norm_layers(norm, after))


def _up(before: int, after: int, norm: Norm, dropout: float) -> nn.Sequential:
    conv = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=needs_bias(norm))
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(nn.ReLU(), conv, *norm_layers(norm, after), *drop)


def _build(
    name: str,
    inputs: Sequence[Spec],
    makes: Image,
    depth: int | None,
    width: int,
    max_width: int | None,
    *,
    dropout: float,
    norm: Norm,
    output: Output | None,
    std: float,
    skips: bool,
) -> nn.Module:
    joined, *size = joined_images(name, inputs)
    check_makes(name, makes, (size[0], size[1]))
    depth = _checked_depth(name, depth, *size)
    limit = 8 * width if max_width is None else max_width
    if limit < width:
        raise ComponentError(
            f"{name}: max_width is {limit}, less than width {width}", fix="raise max_width, or leave it out"
        )
    widths = [min(width * 2**level, limit) for level in range(depth)]
    activation = output_activation(makes, output)
    network = UNet(joined, makes.channels, widths, dropout=dropout, norm=norm, activation=activation, skips=skips)
    return initialise(network, std)


def _checked_depth(name: str, depth: int | None, height: int, width: int) -> int:
    # The largest power of two that divides both: each block halves exactly.
    common = math.gcd(height, width)
    allowed = (common & -common).bit_length() - 1
    if allowed == 0:
        raise ComponentError(
            f"{name} halves the size of its input, which {height}x{width} does not allow",
            fix="set `image_size` to a multiple of a power of two, such as 256",
        )
    if depth is not None and depth > allowed:
        raise ComponentError(
            f"{name}: depth is {depth}, but an input of {height}x{width} can be halved {allowed} times at most",
            fix=f"write `depth: {allowed}` or less, or leave it out; or set `image_size` to a multiple of {2**depth}",
        )
    return allowed if depth is None else depth
