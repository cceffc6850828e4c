"""Blur by [1, 2, 1]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from translate_plugins.blurring import blurred
from translate_plugins.operations.images import check_image


def blur(image: Tensor, /, *, times: Annotated[int, Field(ge=1)] = 1) -> Tensor:
    """Blur by the binomial filter [1, 2, 1] in both directions (Karras et al. 2018, arXiv 1812.04948, section 2).

    Behind a doubling by repetition it makes it bilinear; before a halving, it keeps what is too fine for the smaller
    picture out of it: `resize(blur(image), size=16)`. A constant stays what it is: borders repeat their last pixel,
    where the authors' code has zeros beyond them. The gradient is the same in every run, also on CUDA.

    Args:
        image: Images or maps of features.
        times: How often; n times is the binomial filter of 2n + 1 weights.

    Shape:
        N x C x H x W -> the same.

    Raises:
        ComponentError: `image` is no image.
    """
    check_image("blur", image)
    for _ in range(times):
        image = blurred(image)
    return image
