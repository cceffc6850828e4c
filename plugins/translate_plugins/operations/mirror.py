"""Images mirrored left to right where a number says so."""

from __future__ import annotations

import torch
from torch import Tensor

from translate import marked
from translate.errors import ComponentError
from translate_plugins.operations.images import check_image
from translate_plugins.operations.lists import Parts, each


@marked(keeps_values=True)
def mirror(value: Parts, coin: Tensor, /) -> Parts:
    """Mirror those examples left to right whose number is above 0; the same number mirrors them back.

    For equivariance to mirrors: a network sees `mirror(image, coin)`, and what it makes is compared as
    `mirror(made, coin)` with that of the image itself, as in FastCUT (Park et al. 2020, arXiv 2007.15651; the authors'
    code mirrors a whole batch or none of it, here each example has a coin of its own). A coin is a latent such as
    `{latent: uniform, size: 1}`, whose sign is even.

    Args:
        value: N x C x H x W, or a list of such, as the feature maps of a network are; all are mirrored alike.
        coin: One number for each example, N x 1.

    Shape:
        As `value`.

    Raises:
        ComponentError: `value` holds what is no image, or `coin` is not one number for each of its examples.
    """

    def turned(image: Tensor) -> Tensor:
        check_image("mirror", image)
        if coin.shape != (image.shape[0], 1):
            raise ComponentError(
                f"mirror takes one number for each of {image.shape[0]} examples (got {'x'.join(map(str, coin.shape))})",
                fix="give it a latent of one number: latents.coin={latent: uniform, size: 1}",
            )
        return torch.where(coin[:, :, None, None] > 0, image.flip(3), image)

    return each("mirror", turned, value)
