"""Pieces of the residual generator, from which larger ones are composed in a pipeline's flow.

An encoder and a decoder in a row are the whole. Two domains that share their middle (UNIT), a coarse generator whose
features a finer one refines (pix2pixHD) and an encoder that is also read for a loss (CUT) are pieces under names of
their own, called more than once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from translate import Image, Spec
from translate.errors import ComponentError
from translate_plugins.generators.resnet import (
    OUTER_PADDING,
    Blocks,
    Chain,
    Halvings,
    Residual,
    check_halvings,
    doubling_layers,
    first_norm,
    halving_layers,
    output_layers,
    residual_layers,
)
from translate_plugins.layers import (
    Dropout,
    InitStd,
    Join,
    Norm,
    Output,
    Width,
    initialise,
    joined_images,
    output_activation,
)


def resnet_encoder(
    *inputs: Spec,
    width: Width = 64,
    halvings: Halvings = 2,
    blocks: Blocks = 0,
    norm: Norm = "instance",
    dropout: Dropout = 0.0,
    features: bool = False,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """The first part of `resnet`: convolution, halvings and residual blocks (Zhu et al. 2017, arXiv 1703.10593).

    With `features: true` it also gives what PatchNCE compares (Park et al. 2020, arXiv 2007.15651, appendix): the
    joined input, the result of each halving convolution before its normalisation, that of the first residual block, and
    that of the last. With `halvings: 2, blocks: 5` (and `blocks: 4` in the decoder) these are layers 0, 4, 8, 12 and 16
    of the authors' nine-block generator. Where we differ from it: theirs halves by a convolution of stride 1 and a
    blurred subsampling after the activation, so that its layers 4 and 8 have twice our height and width, and its
    layer 0 is the input with the reflected border.

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, joined on their channels.
        width: Channels of the first block; 64 in the paper. Doubles with each halving.
        halvings: Halvings of the size; 2 in the paper.
        blocks: Number of residual blocks after them.
        norm: Normalisation of all blocks; `instance` in the paper.
        dropout: Share of values dropped in a residual block, as in `resnet`.
        features: Whether to give the intermediate maps as well.
        init_std: Standard deviation of the initial weights; 0.02 in the paper.

    Shape:
        N x C_i x H x W each -> map, N x (width 2 ** halvings) x H / 2 ** halvings x W / 2 ** halvings. With `features`
        a mapping of `map` and `features`, a list of 1 + halvings + min(blocks, 2) maps. H and W as in `resnet`.

    Raises:
        ComponentError: Inputs of different sizes, or a size that does not divide.
    """
    joined, *size = joined_images("resnet_encoder", inputs)
    check_halvings("resnet_encoder", (size[0], size[1]), halvings)
    widths = [width * 2**level for level in range(halvings + 1)]
    layers = [
        *halving_layers(joined.channels, widths, norm, first=first_norm(norm, inputs)),
        *residual_layers(widths[-1], blocks, norm, dropout),
    ]
    kind = FeatureEncoder if features else Chain
    return initialise(kind(joined, layers, size_divisor=2**halvings), init_std)


def residual_blocks(
    map: Spec,
    /,
    *,
    blocks: Annotated[int, Field(ge=1)],
    norm: Norm = "instance",
    dropout: Dropout = 0.0,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """The middle part of `resnet`: residual blocks alone, such as those that two domains share.

    Called on the maps of two encoders it is the shared latent space of UNIT (Liu et al. 2017, arXiv 1703.00848,
    section 3): the last layers of both encoders, or the first of both generators, are one network.

    Args:
        map: A map that an encoder made.
        blocks: Number of residual blocks.
        norm: Normalisation of all blocks; `instance` in CycleGAN.
        dropout: Share of values dropped in a residual block, as in `resnet`.
        init_std: Standard deviation of the initial weights; 0.02 in CycleGAN.

    Shape:
        N x C x H x W -> same. H and W must be at least 2.

    Raises:
        ComponentError: The input is no map, or too small.
    """
    joined, *size = joined_images("residual_blocks", [map])
    _check_map("residual_blocks", size)
    return initialise(Chain(joined, residual_layers(joined.channels, blocks, norm, dropout)), init_std)


def resnet_decoder(
    map: Spec,
    /,
    *,
    makes: Image | None = None,
    halvings: Halvings = 2,
    blocks: Blocks = 0,
    width: Width | None = None,
    norm: Norm = "instance",
    dropout: Dropout = 0.0,
    output: Output | None = None,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """The last part of `resnet`: residual blocks, doublings, and with `makes` the convolution to an image.

    After `resnet_encoder` it is the generator of CycleGAN (Zhu et al. 2017, arXiv 1703.10593). Without `makes` it gives
    the last feature map: what the global generator of pix2pixHD (Wang et al. 2017, arXiv 1711.11585, section 3.2) hands
    to the local enhancer, whose decoder takes the sum of that and its own encoder's map. With `makes`,
    `halvings: 0` and `blocks: 0` it is the last convolution alone.

    Args:
        map: A map that an encoder made. What it should know besides is for the encoder: a vector repeated over the map
            would be taken away by the first norm.
        makes: The images to make. None gives the last feature map.
        halvings: The encoder's number of halvings, each of which is undone by a doubling.
        blocks: Number of residual blocks before the doublings.
        width: Channels after the last doubling, twice as many after the one before it. None halves those of the input
            with each doubling, which undoes the encoder.
        norm: Normalisation of all blocks but the last; `instance` in the papers.
        dropout: Share of values dropped in a residual block, as in `resnet`.
        output: Last activation. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid for [0, 1].
        init_std: Standard deviation of the initial weights; 0.02 in the papers.

    Shape:
        N x C x H x W -> N x makes.channels x (H 2 ** halvings) x (W 2 ** halvings), or as many channels as the
        last doubling leaves. H and W must be at least 2.

    Raises:
        ComponentError: No map, a size that does not fit, channels that cannot be halved, an output that does not fit,
            or nothing to do.
    """
    joined, *size = joined_images("resnet_decoder", [map])
    if blocks or halvings:
        _check_map("resnet_decoder", size)
    widths = _widths(joined.channels, halvings, width)
    layers = [
        *residual_layers(joined.channels, blocks, norm, dropout),
        *doubling_layers(widths, norm),
    ]
    if makes is not None:
        _check_made(makes, size, halvings)
        layers += output_layers(widths[-1], makes.channels, output_activation(makes, output))
    elif output is not None:
        raise ComponentError(
            f"resnet_decoder: output is '{output}', but without `makes` there is no output convolution",
            fix="write `makes: target`, or leave `output` out",
        )
    if not layers:
        raise ComponentError(
            "resnet_decoder has nothing to do without `makes`, blocks and halvings",
            fix="write `makes: target` for the convolution to an image",
        )
    return initialise(Chain(joined, layers), init_std)


class FeatureEncoder(nn.Module):
    """The network behind `resnet_encoder` with `features: true`; its weights have the same names as without.

    Args:
        joined: Joins the inputs.
        layers: The layers in their order.
        size_divisor: Height and width of the inputs must be multiples of it.
    """

    def __init__(self, joined: Join, layers: Iterable[nn.Module], *, size_divisor: int) -> None:
        super().__init__()
        self.size_divisor: int = size_divisor
        self.joined = joined
        self.layers = nn.Sequential(*layers)
        halvings = [at for at, layer in enumerate(self.layers) if isinstance(layer, nn.Conv2d) and layer.stride[0] == 2]
        residuals = [at for at, layer in enumerate(self.layers) if isinstance(layer, Residual)]
        self.read = {*halvings, *residuals[:1], *residuals[-1:]}

    def forward(self, *inputs: Tensor) -> dict[str, Any]:
        """Encode, and keep what is read on the way; see `resnet_encoder`."""
        x = self.joined(*inputs)
        features = [x]
        for at, layer in enumerate(self.layers):
            x = layer(x)
            if at in self.read:
                features.append(x)
        return {"map": x, "features": features}


def _widths(channels: int, halvings: int, width: int | None) -> list[int]:
    """Channels of a decoder's input and after each doubling."""
    if width is not None:
        if not halvings:
            raise ComponentError(
                f"resnet_decoder: width is {width}, but without halvings the map keeps its {channels} channels",
                fix="leave `width` out, or write `halvings: 1`",
            )
        return [channels, *(width * 2**level for level in reversed(range(halvings)))]
    if channels % 2**halvings:
        raise ComponentError(
            f"resnet_decoder: {channels} channels cannot be halved {halvings} times",
            fix="write `width`, the channels after the last doubling",
        )
    return [channels // 2**level for level in range(halvings + 1)]


def _check_map(network: str, size: list[int]) -> None:
    if min(size) < 2:
        raise ComponentError(
            f"{network} needs maps of at least 2x2 (got {size[0]}x{size[1]})",
            fix="set a larger `image_size`, or fewer `halvings` in the encoder",
        )


def _check_made(makes: Image, size: list[int], halvings: int) -> None:
    if not isinstance(makes, Image):
        raise ComponentError(f"resnet_decoder makes images, but `makes` is {makes}", fix="name an image field")
    height, width = (side * 2**halvings for side in size)
    if (makes.height, makes.width) != (height, width):
        raise ComponentError(
            f"resnet_decoder makes {height}x{width} from a map of {size[0]}x{size[1]} by {halvings} doublings,"
            f" but `makes` is {makes}",
            fix="give encoder and decoder the same `halvings`, or resize one of the images",
        )
    if min(height, width) <= OUTER_PADDING:
        raise ComponentError(
            f"resnet_decoder makes images of at least {OUTER_PADDING + 1}x{OUTER_PADDING + 1} (got {height}x{width})",
            fix="set a larger `image_size`",
        )
