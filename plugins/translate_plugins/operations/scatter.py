"""Points of the plane as a picture."""

from __future__ import annotations

from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.losses.nested import precise

_COLOURS: Final = ((0.55, 0.58, 0.62), (0.88, 0.20, 0.13), (0.10, 0.42, 0.80), (0.13, 0.60, 0.30))


def scatter(
    *points: Tensor,
    span: Annotated[float, Field(gt=0)] = 1.5,
    size: Annotated[int, Field(ge=8, le=4096)] = 256,
    dot: Annotated[float, Field(gt=0)] = 1.2,
    low: float = -1.0,
    high: float = 1.0,
) -> Tensor:
    """Draw points into one picture, for previews: `preview: ["scatter(point, fake)"]`.

    The axes are fixed, from -span to span with y upwards, so that pictures of different steps compare; points outside
    are not shown. The first value is grey, the second red, then blue and green, each over those before. A dot is a
    Gaussian; where several overlap it becomes full. It is one picture, however many points: show it alone, or beside
    other pictures of one, with `training.preview_count` as the number of points.

    Args:
        *points: Up to four values of two numbers each, in any numbers.
        span: Half of the side of the square that is shown, in units of the points.
        size: Height and width of the picture in pixels.
        dot: Standard deviation of a dot in pixels.
        low: Value of black; that of the pipeline's value range.
        high: Value of white; that of the pipeline's value range.

    Shape:
        N x 2 each -> 1 x 3 x size x size.

    Raises:
        ComponentError: A value is not N x 2, or there are none, or more than four.
    """
    if not 1 <= len(points) <= len(_COLOURS) or any(each.ndim != 2 or each.shape[1] != 2 for each in points):
        shapes = ", ".join("x".join(map(str, each.shape)) for each in points) or "nothing"
        raise ComponentError(
            f"scatter draws one to {len(_COLOURS)} values of two numbers each (got {shapes})",
            fix="name points of the plane, as in scatter(point, fake)",
        )
    places = torch.linspace(-span, span, size, device=points[0].device)
    width = dot * 2.0 * span / size
    picture = torch.ones(3, size, size, device=places.device)
    for each, colour in zip(points, _COLOURS, strict=False):
        # A Gaussian of the plane is a product of one of each axis, and a sum of products is a matrix product.
        across, up = (torch.exp(-(((places[:, None] - axis) / width) ** 2) / 2) for axis in precise(each).unbind(1))
        cover = (up.flip(0) @ across.T).clamp(max=1.0)
        ink = torch.tensor(colour, device=places.device)[:, None, None]
        picture = picture + cover * (ink - picture)
    return (low + (high - low) * picture)[None]
