"""The sheet that a scene is painted on: picture, light and labels together, so that they cannot drift apart.

The picture is painted at `SAMPLES` times the size and averaged at the end; labels have one value per pixel. Boxes are
snapped to whole pixels, which keeps the edges of walls and windows the same in both. Planes are channels first: NumPy
is several times faster that way.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from translate_datasets._drawing.classes import COLOURS, INDEX
from translate_datasets._drawing.scene import Box

Floats = NDArray[np.floating[Any]]  # float32 in fact; the type of arithmetic on it is no narrower than this
Mask = NDArray[np.bool_]
Pixels = tuple[int, int, int, int]

SAMPLES: Final = 2
"""Samples per pixel along each axis."""

UNLABELLED: Final = 255


class Canvas:
    """A picture in the making.

    Args:
        height: Height of the finished picture in pixels.
        width: Its width in pixels.
        scale: Pixels per unit of the layout; the height by default.

    Attributes:
        unit: Samples per unit of the layout.
        rgb: Colours before lighting, 3 x samples.
        light: How much of the sun arrives, 0 (shadow) to 1.
        label: Class index of each pixel.
    """

    def __init__(self, height: int, width: int, scale: int | None = None) -> None:
        self.height, self.width = height, width
        self.scale = scale or height
        self.unit = float(self.scale * SAMPLES)
        self.rgb = np.zeros((3, height * SAMPLES, width * SAMPLES), np.float32)
        self.light = np.ones((height * SAMPLES, width * SAMPLES), np.float32)
        self.label = np.zeros((height, width), np.uint8)

    def snap(self, box: Box) -> Pixels:
        """The pixels of a box in the layout: at least one along each axis, possibly outside the picture."""
        x0, y0, x1, y1 = (round(value * self.scale) for value in box)
        return x0, y0, max(x0 + 1, x1), max(y0 + 1, y1)

    def snapped(self, box: Box) -> Box:
        """The box whose edges lie where `snap` puts them."""
        return Box(*(value / self.scale for value in self.snap(box)))

    def shape(self, pixels: Pixels) -> tuple[int, int]:
        """Height and width of a region in samples."""
        return (pixels[3] - pixels[1]) * SAMPLES, (pixels[2] - pixels[0]) * SAMPLES

    def points(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """Coordinates of a region's samples in the layout: y as a column, x as a row."""
        x0, y0, x1, y1 = (value * SAMPLES for value in pixels)
        y = (np.arange(y0, y1, dtype=np.float32) + np.float32(0.5)) / np.float32(self.unit)
        x = (np.arange(x0, x1, dtype=np.float32) + np.float32(0.5)) / np.float32(self.unit)
        return y[:, None], x[None, :]

    def fill(self, pixels: Pixels, label: str | None, texture: Floats, mask: Mask | None = None) -> None:
        """Paint a region and take it out of the shadows that fell there.

        Args:
            pixels: The region, also where it lies outside the picture.
            label: The class it gets, or None to leave the labels alone.
            texture: Colours, broadcastable to 3 x the region's samples.
            mask: The samples to paint, all by default. A pixel gets the label when half of its samples do.
        """
        x0, y0, x1, y1 = pixels
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, self.width), min(y1, self.height)
        if left >= right or top >= bottom:
            return
        rows = slice((top - y0) * SAMPLES, (bottom - y0) * SAMPLES)
        columns = slice((left - x0) * SAMPLES, (right - x0) * SAMPLES)
        whole = texture.shape[1:] == self.shape(pixels)
        part = (
            texture[:, rows, columns] if whole else np.broadcast_to(texture, (3, *self.shape(pixels)))[:, rows, columns]
        )
        there = (slice(top * SAMPLES, bottom * SAMPLES), slice(left * SAMPLES, right * SAMPLES))
        pixel = (slice(top, bottom), slice(left, right))
        if mask is None:
            self.rgb[:, there[0], there[1]] = part
            self.light[there] = 1
            if label is not None:
                self.label[pixel] = INDEX[label]
            return
        inside = mask[rows, columns]
        np.copyto(self.rgb[:, there[0], there[1]], part, where=inside)
        np.copyto(self.light[there], np.float32(1), where=inside)
        if label is not None:
            self.label[pixel][_majority(inside)] = INDEX[label]

    def box(self, box: Box, label: str | None, texture: Floats) -> None:
        """Paint a box of one colour or of a texture that broadcasts to it."""
        self.fill(self.snap(box), label, texture)

    def thin(self, box: Box, colour: Floats) -> None:
        """Paint an unlabelled box at the precision of samples, at least one wide: sills, joints, bars."""
        window = self._samples(box)
        self.rgb[:, window[0], window[1]] = colour
        self.light[window] = 1

    def mark(self, pixels: Pixels, label: str) -> None:
        """Label a region without painting it: railings count as solid."""
        x0, y0, x1, y1 = (max(0, value) for value in pixels)
        self.label[y0:y1, x0:x1] = INDEX[label]

    def shade(self, box: Box, amount: float = 0.0) -> None:
        """Let at most `amount` of the sun into a box."""
        window = self._samples(box)
        np.minimum(self.light[window], np.float32(amount), out=self.light[window])

    def finish(self, ambient: Floats, sun: Floats) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Light the picture and average its samples.

        Args:
            ambient: Colour of the light in the shadow.
            sun: Colour that the sun adds.

        Returns:
            The label map in its colours and the picture, both height x width x 3.
        """
        # A shadow that reaches past its wall falls on nothing.
        sky = (self.label == INDEX["sky"]).repeat(SAMPLES, axis=0).repeat(SAMPLES, axis=1)
        light = soften(np.where(sky, np.float32(1), self.light))
        lit = self.rgb * (ambient[:, None, None] + sun[:, None, None] * light)
        fine = lit[:, ::2] + lit[:, 1::2]
        mean = (fine[:, :, ::2] + fine[:, :, 1::2]) * np.float32(255 / SAMPLES**2)
        photo = (np.clip(mean, 0, 255) + np.float32(0.5)).astype(np.uint8)
        return COLOURS[self.label], np.ascontiguousarray(photo.transpose(1, 2, 0))

    def stamp(self, small: Canvas, left: int, top: int) -> None:
        """Set a stencil (see `stencil`) at a pixel; what is painted on it hides what was here, its shadows add."""
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + small.width, self.width), min(top + small.height, self.height)
        if x0 >= x1 or y0 >= y1:
            return
        here, there = _window(x0, y0, x1, y1, SAMPLES), _window(x0 - left, y0 - top, x1 - left, y1 - top, SAMPLES)
        painted = small.rgb[0][there] >= 0
        np.copyto(self.rgb[:, here[0], here[1]], small.rgb[:, there[0], there[1]], where=painted)
        shadow = np.minimum(self.light[here], small.light[there])
        self.light[here] = np.where(painted, small.light[there], shadow)
        labels = small.label[_window(x0 - left, y0 - top, x1 - left, y1 - top)]
        np.copyto(self.label[_window(x0, y0, x1, y1)], labels, where=labels != UNLABELLED)

    def _samples(self, box: Box) -> tuple[slice, slice]:
        unit = self.unit
        x0, y0, x1, y1 = round(box[0] * unit), round(box[1] * unit), round(box[2] * unit), round(box[3] * unit)
        x1, y1 = (x1 if x1 > x0 else x0 + 1), (y1 if y1 > y0 else y0 + 1)
        return _window(x0 if x0 > 0 else 0, y0 if y0 > 0 else 0, x1 if x1 > 0 else 0, y1 if y1 > 0 else 0)  # noqa: FURB136


def stencil(height: int, width: int, scale: int) -> Canvas:
    """A small canvas on which nothing is painted yet, for `Canvas.stamp`."""
    canvas = Canvas(height, width, scale)
    canvas.rgb -= 1
    canvas.label += UNLABELLED
    return canvas


def _window(x0: int, y0: int, x1: int, y1: int, factor: int = 1) -> tuple[slice, slice]:
    return slice(y0 * factor, y1 * factor), slice(x0 * factor, x1 * factor)


def _majority(mask: Mask) -> Mask:
    counts = mask[::2].astype(np.uint8) + mask[1::2]
    return counts[:, ::2] + counts[:, 1::2] >= SAMPLES**2 // 2


def soften(plane: Floats) -> Floats:
    """Blur a plane by the kernel (1, 2, 1) / 4 along both axes, edges repeated."""
    for axis in (0, 1):
        padded = np.pad(plane, [(1, 1) if index == axis else (0, 0) for index in (0, 1)], mode="edge")
        before, after = (padded[:-2], padded[2:]) if axis == 0 else (padded[:, :-2], padded[:, 2:])
        plane = plane * np.float32(0.5) + (before + after) * np.float32(0.25)
    return plane


def convex(y: Floats, x: Floats, corners: tuple[tuple[float, float], ...]) -> Mask:
    """The points inside a convex polygon.

    Args:
        y: Column of coordinates.
        x: Row of coordinates.
        corners: (x, y) of the corners, clockwise on the screen.
    """
    inside = np.ones((y.shape[0], x.shape[1]), bool)
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if ay == by and ax != bx:
            inside &= (y >= ay) if bx > ax else (y <= ay)
        else:
            inside &= (bx - ax) * (y - ay) >= (by - ay) * (x - ax)
    return inside
