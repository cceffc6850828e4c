"""The inner part of images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from translate import marked
from translate.errors import ComponentError
from translate_plugins.operations.images import check_image


@marked(keeps_values=True)
def crop(image: Tensor, /, *, border: Annotated[int, Field(ge=0)]) -> Tensor:
    """Cut a border off, the same on all four sides: what a context encoder really filled, without what it had seen.

    Args:
        image: N x C x H x W.
        border: Pixels to cut off on each side.

    Shape:
        N x C x H x W -> N x C x (H - 2 border) x (W - 2 border).

    Raises:
        ComponentError: `image` is no image, or nothing is left of it.
    """
    check_image("crop", image)
    height, width = (side - 2 * border for side in image.shape[2:])
    if height < 1 or width < 1:
        size = "x".join(map(str, image.shape[2:]))
        raise ComponentError(f"crop by {border} on each side leaves nothing of {size}", fix="use a smaller border")
    return image[:, :, border : border + height, border : border + width]
