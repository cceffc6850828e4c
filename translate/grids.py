"""Grids of pictures with titles, for samples during training and for evaluation. By numpy and Pillow alone.

How channels become colours, whatever their number:

| channels | shown as |
|---|---|
| 1 | grey |
| 2 | the first as red, the second as green |
| 3 | red, green, blue |
| 4 | red, green, blue and alpha, over white: what pictures of four channels are everywhere here |
| 5 and more | the first three as red, green, blue |
| 5 and more of which each pixel has exactly one, all equally (one-hot labels) | each pixel in its class's colour |

16 bits are shown as the nearest of 8.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from translate.pictures import as_channels, as_depth

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
        columns: Pictures by title, each N x H x W x C in uint8 or uint16. Sizes and channels may differ by column.
        titles: Write the names above the columns; one that is too long is cut short.
        scale: Whole factor by which the largest picture is enlarged (nearest neighbour). None = as far as its longer
            side stays within 128 pixels.

    Shape:
        height x width x 3, uint8.

    Raises:
        ValueError: There is no picture, the columns differ in length, or an array is not N x H x W x C in uint8
            or uint16.
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
        picture: H x W x C in uint8 or uint16.

    Shape:
        H x W x 3, uint8.
    """
    picture = as_depth(picture, np.uint8)
    channels = picture.shape[2]
    if channels in {1, 3, 4}:
        return as_channels(picture, 3)
    if channels == 2:
        return np.concatenate([picture, np.zeros_like(picture[..., :1])], axis=2)
    if _is_one_hot(picture):
        classes: Array = _palette(channels)[picture.argmax(axis=2)]
        return classes
    return picture[..., :3]


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
        if column.ndim != 4 or column.dtype not in (np.uint8, np.uint16) or 0 in column.shape[1:]:
            msg = f"column '{name}' must be N x H x W x C in uint8 or uint16 (got {column.shape} of {column.dtype})"
            raise ValueError(msg)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        msg = f"the columns must hold equally many pictures, at least one (got {sorted(lengths) or 'no column'})"
        raise ValueError(msg)


def _is_one_hot(picture: Array) -> bool:
    """Whether one channel of each pixel has one value, and all others have another, lower one."""
    low, high = picture.min(), picture.max()
    full = picture == high
    return bool(low < high and (full.sum(axis=2) == 1).all() and (full | (picture == low)).all())


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
