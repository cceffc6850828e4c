"""Generator with spatially-adaptive normalisation: SPADE, or GauGAN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Image, Spec
from translate.errors import ComponentError
from translate_plugins.layers import (
    InitStd,
    Join,
    Output,
    Width,
    check_makes,
    initialise,
    joined_images,
    output_activation,
)

Statistics = Literal["batch", "instance"]
Upsamplings = Annotated[int, Field(ge=0)]

_WIDENING = 4  # the widest blocks have 2 ** 4 times the width
_MIDDLE = 2  # blocks of the full width after the first
_START = 8  # the shorter side of the first map is at most this, where the size allows it
_LARGEST_START = 16
_SLOPE = 0.2


def spade(
    *inputs: Spec,
    makes: Image,
    width: Width = 64,
    upsamplings: Upsamplings | None = None,
    norm: Statistics = "batch",
    hidden: Width = 128,
    output: Output | None = None,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """SPADE or GauGAN: a picture from a segmentation map (Park et al. 2019, arXiv 1903.07291, section 3, appendix A).

    Every normalisation is followed by a scale and a shift that a small network reads from the map at that place
    (equation 1), so that the map is not washed out. The first, small map is a convolution of the subsampled
    segmentation map or, where vectors or labels are among the inputs, a dense layer of those (the paper's style code).
    Residual blocks follow, at 256x256 with 16 x width channels at 8x8, 16x16 and 16x16, then 8, 4, 2 and 1 x width at
    32, 64, 128 and 256, each doubling being nearest; last a LeakyReLU and a 3x3 convolution. With six doublings the
    third block stands at 32x32, and with more, blocks of half the width and less come last, as in the authors' code.
    With four, the first three blocks stand at 8x8; with fewer, one halving of the channels is left out for each.

    Where we differ: weights are drawn from N(0, init_std), the authors' by Xavier's law with gain 0.02; convolutions
    whose result is normalised at once have no bias, which would be cancelled. Spectral norm is the pipeline's choice:
    `weights: spectral` is that of all layers, as in the paper; the authors' code has it in the residual blocks alone.

    Args:
        *inputs: One or more images of one size (the one-hot segmentation map, edges of instances) that are joined on
            their channels; vectors and labels are joined for the first map.
        makes: The images to make; same size as the segmentation map.
        width: Channels of the last block at 256x256; 64 in the paper.
        upsamplings: Doublings of the size. None is as many as bring the shorter side of the first map to 8 or less: 5
            at 256x256 and 6 at 512x512, as in the paper.
        norm: What is normalised before scale and shift: `batch` (in the paper synchronised over devices) or `instance`.
        hidden: Channels of the network that reads scale and shift from the map; 128 in the paper.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].
        init_std: Standard deviation of the initial weights.

    Shape:
        N x C_i x H x W each, N x size, N -> N x makes.channels x H x W. H and W must be multiples of 2 ** upsamplings.
        With a vector or a label among the inputs the size is that of training.

    Raises:
        ComponentError: No image, inputs of different sizes, a size that cannot be halved so often, an output that does
            not fit.
    """
    _, *size = joined_images("spade", inputs)
    check_makes("spade", makes, (size[0], size[1]))
    upsamplings = _checked_upsamplings(size, upsamplings)
    network = SPADE(
        inputs,
        (size[0] >> upsamplings, size[1] >> upsamplings),
        block_plan(width, upsamplings),
        makes.channels,
        norm=norm,
        hidden=hidden,
        activation=output_activation(makes, output),
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):  # the normalisations have nothing to draw
            initialise(layer, init_std)
    return network


def block_plan(width: int, upsamplings: int) -> list[tuple[bool, int]]:
    """The residual blocks in order: whether a doubling comes before each, and its channels."""
    narrowing = min(upsamplings, _WIDENING)
    widest = width * 2**narrowing
    early = min(upsamplings - narrowing, _MIDDLE)  # doublings before the blocks of the middle
    late = upsamplings - narrowing - early  # doublings beyond the width
    return [
        (False, widest),
        *((early > at, widest) for at in range(_MIDDLE)),
        *((True, widest >> level) for level in range(1, narrowing + 1)),
        *((True, max(width >> level, 1)) for level in range(1, late + 1)),
    ]


class SPADE(nn.Module):
    """The network behind `spade`.

    Args:
        inputs: Specs of the inputs.
        start: Height and width of the first map.
        plan: The residual blocks, see `block_plan`.
        out_channels: Channels of the output.
        norm: What is normalised.
        hidden: Channels of the networks that read the map.
        activation: The last activation.
    """

    def __init__(
        self,
        inputs: Sequence[Spec],
        start: tuple[int, int],
        plan: Sequence[tuple[bool, int]],
        out_channels: int,
        *,
        norm: Statistics,
        hidden: int,
        activation: nn.Module,
    ) -> None:
        super().__init__()
        is_map = [len(spec.shape) == 3 for spec in inputs]
        self.is_map = is_map
        self.maps = Join("spade", [spec for spec, yes in zip(inputs, is_map, strict=True) if yes])
        styles = [spec for spec, yes in zip(inputs, is_map, strict=True) if not yes]
        self.styles = Join("spade", styles, images=False) if styles else None
        self.doubles = [doubles for doubles, _ in plan]
        self.size_divisor: int = 2 ** sum(self.doubles)
        before = plan[0][1]
        self.start = (before, *start)
        self.first: nn.Module
        if self.styles is None:
            self.first = nn.Conv2d(self.maps.channels, before, 3, padding=1)
        else:
            self.first = nn.Linear(self.styles.channels, before * start[0] * start[1])
        self.blocks = nn.ModuleList()
        for _, after in plan:
            self.blocks.append(SPADEBlock(before, after, self.maps.channels, norm=norm, hidden=hidden))
            before = after
        self.last = nn.Sequential(nn.LeakyReLU(_SLOPE), nn.Conv2d(before, out_channels, 3, padding=1), activation)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Make images; see `spade` for the shapes."""
        given = list(zip(self.is_map, inputs, strict=True))
        segmentation = self.maps(*(value for is_map, value in given if is_map))
        factor = self.size_divisor
        if self.styles is None:
            x = self.first(subsampled(segmentation, factor))
        else:
            x = self.first(self.styles(*(value for is_map, value in given if not is_map))).unflatten(1, self.start)
        for doubles, block in zip(self.doubles, self.blocks, strict=True):
            if doubles:
                x = F.interpolate(x, scale_factor=2.0, mode="nearest")
                factor //= 2
            x = block(x, subsampled(segmentation, factor))
        result: Tensor = self.last(x)
        return result


class SPADEBlock(nn.Module):
    """Two rounds of spatially-adaptive normalisation, LeakyReLU and 3x3 convolution, added to the input.

    Where the channels change, the input passes a normalisation and a 1x1 convolution of its own (figure 4).

    Args:
        before: Channels of the input.
        after: Channels of the output.
        labels: Channels of the segmentation map.
        norm: What is normalised.
        hidden: Channels of the networks that read the map.

    Shape:
        N x before x H x W and N x labels x H x W -> N x after x H x W.
    """

    def __init__(self, before: int, after: int, labels: int, *, norm: Statistics, hidden: int) -> None:
        super().__init__()
        middle = min(before, after)
        self.norm_1 = SPADENorm(before, labels, norm=norm, hidden=hidden)
        self.conv_1 = nn.Conv2d(before, middle, 3, padding=1, bias=False)
        self.norm_2 = SPADENorm(middle, labels, norm=norm, hidden=hidden)
        self.conv_2 = nn.Conv2d(middle, after, 3, padding=1)
        self.is_changed = before != after
        if self.is_changed:
            self.norm_s = SPADENorm(before, labels, norm=norm, hidden=hidden)
            self.conv_s = nn.Conv2d(before, after, 1, bias=False)

    def forward(self, x: Tensor, segmentation: Tensor) -> Tensor:
        """Add what the two convolutions find."""
        found: Tensor = self.conv_1(F.leaky_relu(self.norm_1(x, segmentation), _SLOPE))
        found = self.conv_2(F.leaky_relu(self.norm_2(found, segmentation), _SLOPE))
        kept: Tensor = self.conv_s(self.norm_s(x, segmentation)) if self.is_changed else x
        return kept + found


class SPADENorm(nn.Module):
    """Spatially-adaptive normalisation (equation 1): normalised x * (1 + gamma) + beta, both read from the map.

    Args:
        channels: Channels of x.
        labels: Channels of the segmentation map.
        norm: What is normalised, without a scale and shift of its own.
        hidden: Channels between the two convolutions that read the map.

    Shape:
        N x channels x H x W and N x labels x H x W -> N x channels x H x W.
    """

    def __init__(self, channels: int, labels: int, *, norm: Statistics, hidden: int) -> None:
        super().__init__()
        kind = nn.BatchNorm2d if norm == "batch" else nn.InstanceNorm2d
        self.norm = kind(channels, affine=False)
        self.shared = nn.Sequential(nn.Conv2d(labels, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, segmentation: Tensor) -> Tensor:
        """Normalise, scale and shift."""
        read = self.shared(segmentation)
        result: Tensor = self.norm(x) * (1 + self.gamma(read)) + self.beta(read)
        return result


def subsampled(segmentation: Tensor, factor: int) -> Tensor:
    """Every factor-th pixel: nearest resizing by a whole factor, whatever the size."""
    return segmentation[:, :, ::factor, ::factor] if factor > 1 else segmentation


def _checked_upsamplings(size: Sequence[int], upsamplings: int | None) -> int:
    common = size[0] | size[1]
    allowed = (common & -common).bit_length() - 1  # how often both sides can be halved exactly
    if upsamplings is None:
        wanted = max(0, (-(-min(size) // _START) - 1).bit_length())
        if wanted > allowed and min(size) >> allowed > _LARGEST_START:
            raise ComponentError(
                f"spade starts from a map whose shorter side is {_START} or less, but {size[0]}x{size[1]} can be halved"
                f" {allowed} times only",
                fix=f"set `image_size` to a multiple of {2**wanted}, or write `upsamplings: {allowed}`",
            )
        upsamplings = min(wanted, allowed)
    if upsamplings > allowed:
        raise ComponentError(
            f"spade: upsamplings is {upsamplings}, but {size[0]}x{size[1]} can be halved {allowed} times only",
            fix=f"write `upsamplings: {allowed}` or less, or set `image_size` to a multiple of {2**upsamplings}",
        )
    if min(size) >> upsamplings < 2:
        raise ComponentError(
            f"spade: after {upsamplings} halvings nothing is left of {size[0]}x{size[1]} to normalise",
            fix="write fewer `upsamplings`, so that the first map is 2x2 or larger",
        )
    return upsamplings
