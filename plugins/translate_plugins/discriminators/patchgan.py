"""Patch discriminator of pix2pix, in its four sizes, and that of pix2pixHD: several of them at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Spec
from translate.errors import ComponentError
from translate_plugins.layers import (
    Dropout,
    InitStd,
    Join,
    Norm,
    Width,
    initialise,
    joined_images,
    needs_bias,
    norm_layers,
)

Scales = Annotated[int, Field(ge=1, le=4)]

_HALVINGS: Final = {16: 1, 70: 3, 286: 5}  # by receptive field; the pixel discriminator has its own form


def patchgan(
    *inputs: Spec,
    receptive_field: Literal[1, 16, 70, 286] = 70,
    width: Width = 64,
    norm: Norm = "batch",
    dropout: Dropout = 0.0,
    scales: Scales = 1,
    features: bool = False,
    init_std: InitStd = 0.02,
) -> nn.Module:
    """Patch discriminator of pix2pix (Isola et al. 2016, arXiv 1611.07004, appendix 6.1.2), at one scale or several.

    Judges each patch of an image, or of several images joined on their channels (the conditional form,
    `D(source, target)`). 70: C64-C128-C256-C512 and a convolution to one channel, all 4x4, the first three with stride
    2; 16 and 286 have one and five such halvings; 1 judges single pixels with 1x1 convolutions, C64-C128. LeakyReLU
    0.2; no normalisation in the first block. Where we differ from the text: the output is logits, the sigmoid belongs
    to the loss. Use `norm: instance`, `layer` or `none` with a gradient penalty: batch norm makes one example's
    judgement depend on the others.

    `scales: 3` is the discriminator of pix2pixHD (Wang et al. 2017, arXiv 1711.11585, section 3.2): as many networks of
    this form, with weights of their own, of which each sees the inputs at half the size of the one before. As in the
    authors' code a halving is the mean of 3x3 pixels with stride 2, the border not counted. Their convolutions pad by 2
    where pix2pix's pad by 1; ours keep pix2pix's.

    Args:
        *inputs: Images of one size, vectors and labels, joined on their channels.
        receptive_field: Side of the patch that each output judges, in pixels: 1, 16, 70 or 286. Exact.
        width: Channels of the first block; 64 in the paper. Doubles with each block up to eight times.
        norm: Normalisation of all blocks but the first and the last; `batch` in pix2pix, `instance` in pix2pixHD.
        dropout: Share of values dropped after each activation; none in the papers, 0.4 in a textbook's discriminators.
        scales: Number of networks, 1 to 4: on the inputs, their half, quarter and eighth; 3 in pix2pixHD. With more
            than one, the logits are a list, largest size first.
        features: Whether the result is a mapping of `logits` and `features`: the list of what each activation gives,
            for feature matching. With more than one scale, a list of such lists.
        init_std: Standard deviation of the initial weights; 0.02 in the papers.

    Shape:
        N x C_i x H x W each -> N x 1 x H' x W': 30x30 for 256x256 and receptive field 70. At scale s (from 0) H and W
        are divided by 2 ** s and rounded up.

    Raises:
        ComponentError: Inputs of different sizes, or smaller than 6 (16), 24 (70) or 96 (286) pixels at any scale.
    """
    joined, *size = joined_images("patchgan", inputs)
    halvings = _HALVINGS.get(receptive_field, 0)
    if halvings:
        _check_size(receptive_field, size, scales)
    networks = [_layers(joined.channels, width, norm, halvings, dropout) for _ in range(scales)]
    return initialise(PatchGAN(joined, networks, features=features), init_std)


class PatchGAN(nn.Module):
    """The network behind `patchgan`.

    Args:
        joined: Joins the inputs.
        networks: For each scale, the layers from the joined inputs to one channel of logits.
        features: Whether the results of the activations are wanted too.
    """

    def __init__(self, joined: Join, networks: Sequence[Sequence[nn.Module]], *, features: bool) -> None:
        super().__init__()
        self.features = features
        self.joined = joined
        self.layers = nn.Sequential(*networks[0])
        self.coarser = nn.ModuleList(nn.Sequential(*layers) for layers in networks[1:])

    def forward(self, *inputs: Tensor) -> Any:
        """Logits of each patch; see `patchgan` for the form."""
        x = self.joined(*inputs)
        judged = [self._judge(self.layers, x)]
        for network in self.coarser:
            x = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            judged.append(self._judge(network, x))
        logits: Any = [each for each, _ in judged]
        features: Any = [each for _, each in judged]
        if not self.coarser:
            logits, features = logits[0], features[0]
        return {"logits": logits, "features": features} if self.features else logits

    def _judge(self, network: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and what each activation gives where features are wanted."""
        features = []
        for layer in network.children():
            x = layer(x)
            if self.features and isinstance(layer, nn.LeakyReLU):
                features.append(x)
        return x, features


def _check_size(field: int, size: Sequence[int], scales: int) -> None:
    """Refuse images of which a scale is too small for its network."""
    side, shown = min(size), "x".join(map(str, size))
    smallest = 3 * 2 ** _HALVINGS[field]
    # Halving rounds up, so that this is the smallest side whose last half is large enough.
    needed = (smallest - 1) * 2 ** (scales - 1) + 1
    if side >= needed:
        return
    if side >= smallest:
        fitting = max(count for count in range(1, scales) if side > (smallest - 1) * 2 ** (count - 1))
        what, fix = f" and {scales} scales", f"write `scales: {fitting}`"
    else:
        fields = [each for each, count in _HALVINGS.items() if 3 * 2**count <= side]
        what, fix = "", f"write `receptive_field: {max(fields, default=1)}`"
        needed = smallest
    raise ComponentError(
        f"patchgan with receptive field {field}{what} needs images of {needed}x{needed} at least (got {shown})",
        fix=f"{fix}, or set a larger `image_size`",
    )


def _layers(channels: int, width: int, norm: Norm, halvings: int, dropout: float) -> list[nn.Module]:
    if halvings == 0:
        return _pixel_layers(channels, width, norm, dropout)
    widths = [width * min(2**level, 8) for level in range(halvings + 1)]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), *_activation(dropout)]
    for level, (before, after) in enumerate(pairwise(widths), 1):
        stride = 2 if level < halvings else 1
        layers.append(nn.Conv2d(before, after, 4, stride, 1, bias=needs_bias(norm)))
        layers += [*norm_layers(norm, after), *_activation(dropout)]
    return [*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1)]


def _activation(dropout: float) -> list[nn.Module]:
    return [nn.LeakyReLU(0.2), *([nn.Dropout(dropout)] if dropout else [])]


def _pixel_layers(channels: int, width: int, norm: Norm, dropout: float) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, 1),
        *_activation(dropout),
        nn.Conv2d(width, 2 * width, 1, bias=needs_bias(norm)),
        *norm_layers(norm, 2 * width),
        *_activation(dropout),
        nn.Conv2d(2 * width, 1, 1),
    ]
