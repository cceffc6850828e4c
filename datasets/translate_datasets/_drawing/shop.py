"""Shop fronts."""

from __future__ import annotations

import numpy as np

from translate_datasets._drawing.canvas import Canvas
from translate_datasets._drawing.choices import AWNINGS, Mood, Scheme
from translate_datasets._drawing.details import GLASS, LAMPLIGHT, cast
from translate_datasets._drawing.materials import Random, colour, grain, ramp
from translate_datasets._drawing.scene import Box


def paint_shop(canvas: Canvas, rng: Random, box: Box, scheme: Scheme, mood: Mood) -> None:
    """A shop front: fascia with lettering, display windows and a door, below it a stall riser, often an awning."""
    wood = scheme.shutter
    x0, y0, x1, y1 = box
    high = y1 - y0
    cast(canvas, Box(x0, y0, x1, y0 + high * 0.18), 0.02, mood)
    pixels = canvas.snap(box)
    shape = canvas.shape(pixels)
    canvas.fill(pixels, "shop", wood * grain(rng, shape, 0.09))
    panes = int(rng.integers(2, 5))
    entrance, wide = int(rng.integers(panes)), (x1 - x0) / panes
    for index in range(panes):
        foot = 0.02 if index == entrance else 0.17
        pane = Box(x0 + index * wide + 0.008, y0 + high * 0.24, x0 + (index + 1) * wide - 0.008, y1 - high * foot)
        _display(canvas, rng, pane, scheme, mood)
    _lettering(canvas, rng, Box(x0, y0, x1, y0 + high * 0.18), scheme)
    if rng.random() < 0.6:
        _awning(canvas, rng, Box(x0 + 0.005, y0 + high * 0.19, x1 - 0.005, y0 + high * rng.uniform(0.36, 0.46)), mood)


def _display(canvas: Canvas, rng: Random, pane: Box, scheme: Scheme, mood: Mood) -> None:
    """A display window: goods of all colours behind the glass."""
    pixels = canvas.snap(pane)
    shape = canvas.shape(pixels)
    goods = rng.random((3, shape[0] // 6 + 1, shape[1] // 5 + 1), np.float32)
    shelf = goods.repeat(6, axis=1).repeat(5, axis=2)[:, : shape[0], : shape[1]]
    down = ramp(shape[0])[:, None]
    face = GLASS + shelf * np.float32(0.3) * down
    if rng.random() < 0.3 + mood.lit:
        face = face * np.float32(0.5) + mood.glow(LAMPLIGHT) * np.float32(rng.uniform(0.3, 0.6))
    slant = ramp(shape[1])[None, :] + down * np.float32(0.5)
    streak = np.abs(slant - np.float32(rng.uniform(0, 1.5))) < np.float32(rng.uniform(0.05, 0.2))
    face += mood.glow(mood.horizon) * (streak * np.float32(0.12) + np.float32(0.18) * (1 - down))
    face = face * grain(rng, shape, 0.06)
    face[:, :1] = face[:, -1:] = face[:, :, :1] = face[:, :, -1:] = scheme.frame
    canvas.fill(pixels, "shop", face)


def _lettering(canvas: Canvas, rng: Random, band: Box, scheme: Scheme) -> None:
    """A signboard with strokes that read as letters from afar."""
    canvas.thin(band, scheme.shutter * np.float32(0.8))
    high = band.y1 - band.y0
    ink = colour(236, 220, 170) if float(scheme.shutter.mean()) < 0.5 else colour(40, 40, 46)
    x = band.x0 + (band.x1 - band.x0) * rng.uniform(0.12, 0.3)
    end = band.x1 - (x - band.x0)
    while x < end:
        wide = high * rng.uniform(0.25, 0.5)
        if rng.random() < 0.85:
            top = band.y0 + high * rng.uniform(0.25, 0.45)
            canvas.thin(Box(x, top, x + wide * 0.6, band.y1 - high * 0.28), ink)
        x += wide
    canvas.thin(Box(band.x0, band.y0, band.x1, band.y0 + high * 0.16), scheme.trim)


def _awning(canvas: Canvas, rng: Random, box: Box, mood: Mood) -> None:
    """Striped cloth that hides the top of the display and throws a wide shadow on the rest."""
    pixels = canvas.snap(box)
    shape = canvas.shape(pixels)
    canvas.shade(Box(box.x0, box.y1, box.x1, box.y1 + 0.06 * mood.slant[1]), 0.1)
    cloth = colour(*AWNINGS[rng.integers(len(AWNINGS))])
    stripe = max(2, round(canvas.unit * rng.uniform(0.012, 0.03)))
    light = np.arange(shape[1]) // stripe % 2 == 0
    down = ramp(shape[0], 1.08, 0.86)[:, None]
    face = np.where(light[None, None], colour(238, 232, 218), cloth) * down * grain(rng, shape, 0.04)
    face[:, -max(1, shape[0] // 6) :] *= np.float32(0.8)
    canvas.fill(pixels, "shop", face)
