"""Residual generator of CycleGAN."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from translate import Image, Spec
from translate.errors import ComponentError
from translate_plugins.layers import (
    InitStd,
    Join,
    Norm,
    Output,
    ReflectionPad,
    Width,
    check_makes,
    initialise,
    joined_images,
    needs_bias,
    norm_layers,
    output_activation,
)

Blocks = Annotated[int, Field(ge=0)]

_DIVISOR = 4
_SMALLEST = 8  # a quarter of it must be larger than the padding of a residual block
_SIX_BLOCKS_UP_TO = 128


def resnet(
    *inputs: Spec,
    makes: Image,
    blocks: Blocks | None = None,
    width: Width = 64,
    norm: Norm = "instance",
    output: Output | None = None,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """Residual generator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, appendix 7.2), after Johnson et al. 2016.

    c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3: two halvings, residual blocks of two 3x3 convolutions, two
    doublings by transposed 3x3 convolutions. Reflection padding at the first and last convolution and in the residual
    blocks; the halvings pad with zeros, as in the authors' code (the text asks for reflection there too). No ReLU after
    a residual sum.

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, joined on their channels.
        makes: The images to make; same size as the inputs.
        blocks: Number of residual blocks. None is the paper's: 9, or 6 where neither side exceeds 128.
        width: Channels of the first block; 64 in the paper. The residual blocks have four times as many.
        norm: Normalisation of all blocks but the last; `instance` in the paper.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].
        init_std: Standard deviation of the initial weights; 0.02 in the paper.

    Shape:
        N x C_i x H x W each -> N x makes.channels x H x W. H and W must be multiples of 4 and at least 8.

    Raises:
        ComponentError: Inputs of different sizes, a size that does not divide by 4, an output that does not fit.
    """
    joined, height, columns = joined_images("resnet", inputs)
    check_makes("resnet", makes, (height, columns))
    if height % _DIVISOR or columns % _DIVISOR or min(height, columns) < _SMALLEST:
        raise ComponentError(
            f"resnet needs height and width that are multiples of {_DIVISOR} and at least {_SMALLEST}"
            f" (got {height}x{columns})",
            fix=f"set `image_size` to a multiple of {_DIVISOR}",
        )
    if blocks is None:
        blocks = 6 if max(height, columns) <= _SIX_BLOCKS_UP_TO else 9
    activation = output_activation(makes, output)
    return initialise(ResNet(joined, makes.channels, width, blocks=blocks, norm=norm, activation=activation), init_std)


class ResNet(nn.Module):
    """The network behind `resnet`.

    Args:
        joined: Joins the inputs.
        out_channels: Channels of the output.
        width: Channels of the first block.
        blocks: Number of residual blocks.
        norm: Normalisation of the blocks that have one.
        activation: The last activation.
    """

    def __init__(
        self, joined: Join, out_channels: int, width: int, *, blocks: int, norm: Norm, activation: nn.Module
    ) -> None:
        super().__init__()
        self.size_divisor: int = _DIVISOR
        self.joined = joined
        bias = needs_bias(norm)

        def finished(conv: nn.Module, channels: int) -> list[nn.Module]:
            return [conv, *norm_layers(norm, channels), nn.ReLU()]

        self.layers = nn.Sequential(
            ReflectionPad(3),
            *finished(nn.Conv2d(joined.channels, width, 7, bias=bias), width),
            *finished(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), 2 * width),
            *finished(nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=bias), 4 * width),
            *(Residual(4 * width, norm) for _ in range(blocks)),
            *finished(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, output_padding=1, bias=bias), 2 * width),
            *finished(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1, bias=bias), width),
            ReflectionPad(3),
            nn.Conv2d(width, out_channels, 7),
            activation,
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        """Translate images; see `resnet` for the shapes."""
        result: Tensor = self.layers(self.joined(*inputs))
        return result


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added to the input; N x C x H x W to the same."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.layers = nn.Sequential(
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            *norm_layers(norm, channels),
            nn.ReLU(),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            *norm_layers(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find."""
        found: Tensor = self.layers(x)
        return x + found
