"""Features of two images at the same random places."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from translate.errors import ComponentError
from translate_plugins.losses.nested import Nested, leaves


class SamplePatches(nn.Module):
    """Features at random positions, the same in both images: the patches of CUT (Park et al. 2020, arXiv 2007.15651).

    Each layer has positions of its own, new at each call, from torch's global generator, shared by the examples of the
    batch and all different; where a map has no more than `count` of them, all are taken. Outside of training they are
    evenly spaced. The result has two parts: `patches: sample_patches(first, second)`, then `patches.first` and
    `patches.second`, for a projection network and `patch_nce`.

    Positions are picked by index. As none is picked twice, each gradient is added to a zero of its own, and the order
    in which that happens cannot matter: it is the same in every run, for the cost of one copy.

    Args:
        count: Positions for each layer; 256 in the authors' code.

    Shape:
        Two lists of N x C_i x H_i x W_i -> {first, second}: lists of N x min(count, H_i W_i) x C_i.
    """

    keeps_values = True

    def __init__(self, *, count: Annotated[int, Field(ge=1)] = 256) -> None:
        super().__init__()
        self.count = count

    def forward(self, first: Nested, second: Nested, /) -> dict[str, list[Tensor]]:
        """Pick the patches.

        Raises:
            ComponentError: The values are not maps of features, or differ in shape.
        """
        pairs = _paired(first, second)
        places = [self._places(one) for one, _ in pairs]
        return {
            name: [_picked(pair[side], place) for pair, place in zip(pairs, places, strict=True)]
            for side, name in enumerate(("first", "second"))
        }

    def _places(self, features: Tensor) -> Tensor:
        total = features.shape[2] * features.shape[3]
        count = min(self.count, total)
        if not self.training:
            return torch.arange(count, device=features.device) * total // count
        return torch.rand(total, device=features.device).argsort()[:count]


def _paired(first: Nested, second: Nested) -> list[tuple[Tensor, Tensor]]:
    maps = [list(leaves(value)) for value in (first, second)]
    shapes = [[tuple(features.shape) for features in side] for side in maps]
    if shapes[0] != shapes[1] or not maps[0] or any(features.ndim != 4 for features in maps[0]):
        listing = " and ".join(", ".join("x".join(map(str, s)) for s in side) or "nothing" for side in shapes)
        raise ComponentError(
            f"sample_patches takes two lists of feature maps of the same shapes (got {listing})",
            fix="take both from the same network, as in sample_patches(G(source).features, G(fake).features)",
        )
    return list(zip(*maps, strict=True))


def _picked(features: Tensor, places: Tensor) -> Tensor:
    return features.flatten(2).index_select(2, places).transpose(1, 2)
