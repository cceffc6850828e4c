"""Residual generator of CycleGAN and pix2pixHD, and the parts that it and its pieces (`resnet_pieces`) are built of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Annotated

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
    ReflectionPad,
    Width,
    check_makes,
    initialise,
    joined_images,
    needs_bias,
    norm_layers,
    output_activation,
    repeats,
)

Blocks = Annotated[int, Field(ge=0)]
Halvings = Annotated[int, Field(ge=0)]

OUTER_PADDING = 3  # of the 7x7 convolutions at both ends
_SIX_BLOCKS_UP_TO = 128


def resnet(
    *inputs: Spec,
    makes: Image,
    blocks: Blocks | None = None,
    width: Width = 64,
    halvings: Halvings = 2,
    norm: Norm = "instance",
    dropout: Dropout = 0.0,
    output: Output | None = None,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """Residual generator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593, appendix 7.2), after Johnson et al. 2016.

    c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3: two halvings, residual blocks of two 3x3 convolutions, two
    doublings by transposed 3x3 convolutions. Reflection padding at the first and last convolution and in the residual
    blocks; the halvings pad with zeros, as in the authors' code (the text asks for reflection there too). No ReLU after
    a residual sum. With `halvings: 4` and `blocks: 9` it is the global generator of pix2pixHD (Wang et al. 2017, arXiv
    1711.11585, appendix): c7s1-64, d128, d256, d512, d1024, R1024 x 9, u512, u256, u128, u64, c7s1-3.

    Where a vector or a label is joined (the conditional CycleGAN, StarGAN), the first block has no `batch` or
    `instance` normalisation, which would take away whatever is the same at every pixel.

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, joined on their channels.
        makes: The images to make; same size as the inputs.
        blocks: Number of residual blocks. None is CycleGAN's: 9, or 6 where neither side exceeds 128.
        width: Channels of the first block; 64 in both papers. The residual blocks have 2 ** halvings times as many.
        halvings: Halvings of the size, and doublings; 2 in CycleGAN, 4 in pix2pixHD.
        norm: Normalisation of all blocks but the last; `instance` in both papers.
        dropout: Share of values dropped between the two convolutions of a residual block. 0, as in the papers, is no
            such layer; an option of the CycleGAN authors' code has 0.5.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].
        init_std: Standard deviation of the initial weights; 0.02 in both papers.

    Shape:
        N x C_i x H x W each -> N x makes.channels x H x W. H and W must be multiples of 2 ** halvings and at least
        twice that (at least 4).

    Raises:
        ComponentError: Inputs of different sizes, a size that does not divide, an output that does not fit.
    """
    joined, height, columns = joined_images("resnet", inputs)
    check_makes("resnet", makes, (height, columns))
    check_halvings("resnet", (height, columns), halvings)
    if blocks is None:
        blocks = 6 if max(height, columns) <= _SIX_BLOCKS_UP_TO else 9
    activation = output_activation(makes, output)
    widths = [width * 2**level for level in range(halvings + 1)]
    layers = [
        *halving_layers(joined.channels, widths, norm, first=first_norm(norm, inputs)),
        *residual_layers(widths[-1], blocks, norm, dropout),
        *doubling_layers(widths[::-1], norm),
        *output_layers(width, makes.channels, activation),
    ]
    return initialise(Chain(joined, layers, size_divisor=2**halvings), init_std)


class Chain(nn.Module):
    """Joins its inputs and passes them through layers, one after the other.

    Args:
        joined: Joins the inputs.
        layers: The layers in their order.
        size_divisor: Height and width of the inputs must be multiples of it.
    """

    def __init__(self, joined: Join, layers: Iterable[nn.Module], *, size_divisor: int = 1) -> None:
        super().__init__()
        self.size_divisor: int = size_divisor
        self.joined = joined
        self.layers = nn.Sequential(*layers)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Apply; see the factories for the shapes."""
        result: Tensor = self.layers(self.joined(*inputs))
        return result


class Residual(nn.Module):
    """Two 3x3 convolutions whose result is added to the input; N x C x H x W to the same.

    Args:
        channels: Channels of input and output.
        norm: Normalisation after each convolution.
        dropout: Share of values dropped between the two; 0 is no such layer.
    """

    def __init__(self, channels: int, norm: Norm, dropout: float = 0.0) -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.layers = nn.Sequential(
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            *norm_layers(norm, channels),
            nn.ReLU(),
            *([nn.Dropout(dropout)] if dropout else []),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            *norm_layers(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions find."""
        found: Tensor = self.layers(x)
        return x + found


def first_norm(norm: Norm, inputs: Sequence[Spec]) -> Norm:
    """The normalisation of a first block: none where it would cancel a joined vector or label.

    With reflection padding that is what the norms of a channel do: see `translate_plugins.layers.repeats`.
    """
    return "none" if repeats(inputs) and not needs_bias(norm) else norm


def halving_layers(channels: int, widths: Sequence[int], norm: Norm, *, first: Norm) -> list[nn.Module]:
    """A 7x7 convolution to the first width with a norm of its own, then one halving for each further width."""
    layers: list[nn.Module] = [ReflectionPad(OUTER_PADDING)]
    layers += _finished(nn.Conv2d(channels, widths[0], 7, bias=needs_bias(first)), widths[0], first)
    for before, after in pairwise(widths):
        layers += _finished(nn.Conv2d(before, after, 3, 2, 1, bias=needs_bias(norm)), after, norm)
    return layers


def residual_layers(channels: int, blocks: int, norm: Norm, dropout: float) -> list[nn.Module]:
    """The residual blocks."""
    return [Residual(channels, norm, dropout) for _ in range(blocks)]


def doubling_layers(widths: Sequence[int], norm: Norm) -> list[nn.Module]:
    """From the first width on, one doubling of the size for each further width."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        conv = nn.ConvTranspose2d(before, after, 3, 2, 1, output_padding=1, bias=needs_bias(norm))
        layers += _finished(conv, after, norm)
    return layers


def output_layers(width: int, channels: int, activation: nn.Module) -> list[nn.Module]:
    """A 7x7 convolution to an image, and the last activation."""
    return [ReflectionPad(OUTER_PADDING), nn.Conv2d(width, channels, 7), activation]


def _finished(conv: nn.Module, channels: int, norm: Norm) -> list[nn.Module]:
    return [conv, *norm_layers(norm, channels), nn.ReLU()]


def check_halvings(network: str, size: tuple[int, int], halvings: int) -> None:
    """Refuse a size that cannot be halved so often, or leaves less than reflection needs.

    Raises:
        ComponentError: A side is no multiple of 2 ** halvings, or too small.
    """
    divisor = 2**halvings
    # Reflection finds its pixels behind the edge: more than 3 at the full size, more than 1 in a residual block.
    smallest = max(2 * divisor, OUTER_PADDING + 1)
    if any(side % divisor or side < smallest for side in size):
        multiples = f"that are multiples of {divisor} and at least" if divisor > 1 else "of at least"
        raise ComponentError(
            f"{network} needs height and width {multiples} {smallest} (got {size[0]}x{size[1]})",
            fix=f"set `image_size` to a multiple of {max(divisor, smallest)}, or write fewer `halvings`",
        )
