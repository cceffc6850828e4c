"""Patch discriminator of pix2pix, in its four sizes."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from translate import Spec
from translate.errors import ComponentError
from translate_plugins.layers import InitStd, Join, Norm, Width, initialise, joined_images, needs_bias, norm_layers

_HALVINGS = {16: 1, 70: 3, 286: 5}  # by receptive field; the pixel discriminator has its own form


def patchgan(
    *inputs: Spec,
    receptive_field: Literal[1, 16, 70, 286] = 70,
    width: Width = 64,
    norm: Norm = "batch",
    init_std: InitStd = 0.02,
) -> nn.Module:
    """Patch discriminator of pix2pix (Isola et al. 2016, arXiv 1611.07004, appendix 6.1.2).

    Judges each patch of an image, or of several images joined on their channels (the conditional form,
    `D(source, target)`). 70: C64-C128-C256-C512 and a convolution to one channel, all 4x4, the first three with stride
    2; 16 and 286 have one and five such halvings; 1 judges single pixels with 1x1 convolutions, C64-C128. LeakyReLU
    0.2; no normalisation in the first block. Where we differ from the text: the output is logits, the sigmoid belongs
    to the loss. Use `norm: instance`, `layer` or `none` with a gradient penalty: batch norm makes one example's
    judgement depend on the others.

    Args:
        *inputs: Images of one size, vectors and labels, joined on their channels.
        receptive_field: Side of the patch that each output judges, in pixels: 1, 16, 70 or 286. Exact.
        width: Channels of the first block; 64 in the paper. Doubles with each block up to eight times.
        norm: Normalisation of all blocks but the first and the last; `batch` in the paper.
        init_std: Standard deviation of the initial weights; 0.02 in the paper.

    Shape:
        N x C_i x H x W each -> N x 1 x H' x W': 30x30 for 256x256 and receptive field 70.

    Raises:
        ComponentError: Inputs of different sizes, or smaller than 6 (16), 24 (70) or 96 (286) pixels.
    """
    joined, height, columns = joined_images("patchgan", inputs)
    if receptive_field == 1:
        return initialise(PatchGAN(joined, _pixel_layers(joined.channels, width, norm)), init_std)
    halvings = _HALVINGS[receptive_field]
    smallest = 3 * 2**halvings
    if min(height, columns) < smallest:
        fitting = [field for field, count in _HALVINGS.items() if 3 * 2**count <= min(height, columns)]
        raise ComponentError(
            f"patchgan with receptive field {receptive_field} needs images of {smallest}x{smallest} at least"
            f" (got {height}x{columns})",
            fix=f"write `receptive_field: {max(fitting, default=1)}`, or set a larger `image_size`",
        )
    return initialise(PatchGAN(joined, _patch_layers(joined.channels, width, norm, halvings)), init_std)


class PatchGAN(nn.Module):
    """The network behind `patchgan`.

    Args:
        joined: Joins the inputs.
        layers: From the joined inputs to one channel of logits.
    """

    def __init__(self, joined: Join, layers: list[nn.Module]) -> None:
        super().__init__()
        self.joined = joined
        self.layers = nn.Sequential(*layers)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits of each patch; see `patchgan` for the shapes."""
        result: Tensor = self.layers(self.joined(*inputs))
        return result


def _patch_layers(channels: int, width: int, norm: Norm, halvings: int) -> list[nn.Module]:
    widths = [width * min(2**level, 8) for level in range(halvings + 1)]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for level, (before, after) in enumerate(pairwise(widths), 1):
        stride = 2 if level < halvings else 1
        layers.append(nn.Conv2d(before, after, 4, stride, 1, bias=needs_bias(norm)))
        layers += [*norm_layers(norm, after), nn.LeakyReLU(0.2)]
    return [*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1)]


def _pixel_layers(channels: int, width: int, norm: Norm) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 1, bias=needs_bias(norm)),
        *norm_layers(norm, 2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 1),
    ]
