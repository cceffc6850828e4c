"""Grids of pictures with titles, for samples during training and for evaluation. By numpy and Pillow alone.

How channels become colours:

| channels | shown as |
|---|---|
| 1 | grey |
| 2 | grey and alpha, over white |
| 3 | red, green, blue |
| 4 | red, green, blue and alpha, over white |
| 5 and more | a class map: each pixel in the colour of its largest channel (the first, where several are largest) |
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Array = np.ndarray[Any, np.dtype[Any]]

GAP: Final = 4
WISHED_SIZE: Final = 128  # the longer side of a small picture is enlarged up to this
TITLE_HEIGHT: Final = 20
_FONT_SIZE: Final = 12
_BACKGROUND: Final = 255
_INK: Final = (32, 32, 32)


def picture_grid(columns: Mapping[str, Array], *, titles: bool = True, scale: int | None = None) -> Array:
    """Put pictures into one: a row for each example, a column for each name.

    Pictures smaller than the largest one are enlarged by a whole factor where one fits, and centred on white.

    Args:
        columns: Pictures by title, each N x H x W x C in uint8. Sizes and channels may differ between columns.
        titles: Write the names above the columns; one that is too long is cut short.
        scale: Whole factor by which the largest picture is enlarged (nearest neighbour). None = as far as its longer
            side stays within 128 pixels.

    Shape:
        height x width x 3, uint8.

    Raises:
        ValueError: There is no picture, the columns differ in length, or an array is not N x H x W x C in uint8.
    """
    _check(columns, scale)
    height = max(column.shape[1] for column in columns.values())
    width = max(column.shape[2] for column in columns.values())
    factor = scale or max(1, WISHED_SIZE // max(height, width))
    cell = (height * factor, width * factor)
    rows = len(next(iter(columns.values())))
    top = GAP + (TITLE_HEIGHT if titles else 0)
    shape = (top + rows * (cell[0] + GAP), GAP + len(columns) * (cell[1] + GAP), 3)
    canvas = np.full(shape, _BACKGROUND, dtype=np.uint8)
    for place, column in enumerate(columns.values()):
        left = GAP + place * (cell[1] + GAP)
        for row, picture in enumerate(column):
            _paste(canvas, as_rgb(picture), (top + row * (cell[0] + GAP), left), cell)
    return _titled(canvas, list(columns), cell[1]) if titles else canvas


def as_rgb(picture: Array) -> Array:
    """One picture as colours, by the table of this module.

    Args:
        picture: H x W x C in uint8.

    Shape:
        H x W x 3, uint8.
    """
    channels = picture.shape[2]
    if channels >= 5:
        classes: Array = _palette(channels)[picture.argmax(axis=2)]
        return classes
    colours = picture if channels >= 3 else picture[..., :1]
    if channels in {2, 4}:
        alpha = picture[..., -1:].astype(np.uint16)
        colours = (colours[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return np.broadcast_to(colours, (*picture.shape[:2], 3)).astype(np.uint8)


def unit_to_bytes(images: Array) -> Array:
    """Images as networks have them as pictures: values are rounded, and clipped to the range.

    Args:
        images: N x C x H x W, floats in [0, 1].

    Shape:
        N x H x W x C, uint8.
    """
    pictures: Array = np.rint(np.clip(images, 0.0, 1.0) * 255.0)
    return pictures.astype(np.uint8).transpose(0, 2, 3, 1)


def _check(columns: Mapping[str, Array], scale: int | None) -> None:
    if scale is not None and scale < 1:
        msg = f"scale must be at least 1 (got {scale})"
        raise ValueError(msg)
    for name, column in columns.items():
        if column.ndim != 4 or column.dtype != np.uint8 or 0 in column.shape[1:]:
            msg = f"column '{name}' must be N x H x W x C in uint8 (got {column.shape} of {column.dtype})"
            raise ValueError(msg)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        msg = f"the columns must hold equally many pictures, at least one (got {sorted(lengths) or 'no column'})"
        raise ValueError(msg)


def _palette(channels: int) -> Array:
    """Colours far apart: hues by the golden ratio, the first class dark."""
    colours = [colorsys.hsv_to_rgb(0.6180339887 * index % 1.0, 0.75, 0.95) for index in range(channels)]
    colours[0] = (0.1, 0.1, 0.1)
    palette: Array = np.array(colours) * 255
    return np.rint(palette).astype(np.uint8)


def _paste(canvas: Array, picture: Array, corner: tuple[int, int], cell: tuple[int, int]) -> None:
    factor = max(1, min(cell[0] // picture.shape[0], cell[1] // picture.shape[1]))
    large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    top = corner[0] + (cell[0] - large.shape[0]) // 2
    left = corner[1] + (cell[1] - large.shape[1]) // 2
    canvas[top : top + large.shape[0], left : left + large.shape[1]] = large


def _titled(canvas: Array, names: list[str], width: int) -> Array:
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(_FONT_SIZE)
    for place, name in enumerate(names):
        text = name
        while len(text) > 1 and draw.textlength(text, font=font) > width:
            text = text[:-2].rstrip("…") + "…"
        if draw.textlength(text, font=font) <= width:
            draw.text((GAP + place * (width + GAP), GAP), text, fill=_INK, font=font)
    return np.asarray(image)
