"""Parts of a house: windows, doors, shutters, balconies, cornices."""

from __future__ import annotations

import numpy as np

from translate_datasets._drawing.canvas import SAMPLES, Canvas, Floats, Mask, stencil
from translate_datasets._drawing.choices import IRON, Mood, Scheme
from translate_datasets._drawing.materials import Random, colour, grain, ramp, rough
from translate_datasets._drawing.scene import Box, Openings

GLASS = colour(44, 54, 64)
LAMPLIGHT = colour(255, 206, 128)


def paint_openings(canvas: Canvas, rng: Random, openings: Openings, scheme: Scheme, mood: Mood) -> None:
    """Paint all windows or doors of one size, with sills, surrounds and shutters.

    They are made together, n x 3 x height x width, and set one by one.
    """
    if not openings.corners:
        return
    x, y = openings.corners[0]
    left, top, right, bottom = canvas.snap(Box(x, y, x + openings.width, y + openings.height))
    across, down = right - left, bottom - top
    shape = (down * SAMPLES, across * SAMPLES)
    mask = arch(shape) if openings.arched and across > 2 else None
    if openings.label == "door":
        faces = np.stack([_door(rng, shape, scheme) for _ in openings.corners])
    else:
        faces = glazing(rng, len(openings.corners), shape, scheme.frame, scheme.bars, scheme.curtains, mood)
    margin = round(canvas.scale * 0.03 + 2) + across // 2
    frame = _frame(canvas, openings, (down, across, margin), scheme, mood)
    for (x, y), face in zip(openings.corners, faces, strict=True):
        left, top = round(x * canvas.scale), round(y * canvas.scale)
        canvas.stamp(frame, left - margin, top - margin)
        canvas.fill((left, top, left + across, top + down), openings.label, face, mask)


def _frame(canvas: Canvas, openings: Openings, pixels: tuple[int, int, int], scheme: Scheme, mood: Mood) -> Canvas:
    """What surrounds each opening of a group, made once: surround, sill, lintel, shutters and their shadows.

    Args:
        canvas: Where it will be stamped.
        openings: The group.
        pixels: Height and width of an opening, and the margin around it.
        scheme: Colours.
        mood: Light.
    """
    down, across, margin = pixels
    small = stencil(down + 2 * margin, across + 2 * margin, canvas.scale)
    box = Box(*(value / canvas.scale for value in (margin, margin, margin + across, margin + down)))
    _around(small, box, openings, scheme, mood)
    if openings.shutters and openings.label == "window":
        _shutters(small, box, scheme, mood)
    return small


def arch(shape: tuple[int, int]) -> Mask:
    """A rectangle whose upper end is a half circle."""
    height, width = shape
    radius = width / 2
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width)[None, :] + 0.5
    return (y >= radius) | ((x - radius) ** 2 + (y - radius) ** 2 <= radius**2)


def glazing(
    rng: Random,
    count: int,
    shape: tuple[int, int],
    frame: Floats,
    bars: tuple[int, int],
    curtains: float,
    mood: Mood,
) -> Floats:
    """Windows: a dark room or lamplight, curtains or a blind, the sky on the glass, and the frame.

    Args:
        rng: Random stream.
        count: How many.
        shape: Height and width of each in samples.
        frame: Colour of the frame.
        bars: Number of upright and of cross bars.
        curtains: Share of windows with curtains or a blind.
        mood: Light.

    Returns:
        Colours, count x 3 x height x width.
    """
    height, width = shape
    down = ramp(height)[None, :, None]
    across = ramp(width)[None, None, :]
    draw = rng.random((10, count), np.float32)[:, :, None, None, None]
    room = GLASS * (0.45 + draw[0]) * (1 - np.float32(0.35) * down[:, None])
    lit = draw[1] < mood.lit
    lamp = (
        mood.glow(LAMPLIGHT)
        * (0.68 + 0.36 * draw[2])
        * (1.08 - np.float32(0.4) * np.abs(down - draw[3][:, 0])[:, None])
    )
    faces = np.where(lit, lamp, room)
    faces = _curtains(rng, faces, down, across, draw, curtains)
    faces = _reflection(rng, faces, down, across, draw, mood, lit)
    faces = faces * grain(rng, (height, width), 0.05)
    _recess(faces, mood)
    _bars(faces, frame, bars)
    return faces


def _curtains(rng: Random, faces: Floats, down: Floats, across: Floats, draw: Floats, share: float) -> Floats:
    """Side curtains with folds, or a blind pulled down part of the way."""
    cloth = colour(232, 226, 214) * (0.6 + 0.35 * draw[4])
    fold = 1 + np.float32(0.16) * np.sin(across * np.float32(rng.uniform(24, 44)))
    sides = np.minimum(across, 1 - across) < 0.10 + 0.22 * draw[5][:, 0]
    blind = down < 0.15 + 0.6 * draw[5][:, 0]
    drawn = np.where(draw[6][:, 0] < 0.65, sides, blind) & (draw[7][:, 0] < share)
    lighter = faces * np.float32(0.45) + cloth * fold * np.float32(0.62)
    return np.where(drawn[:, None], lighter, faces)


def _reflection(
    rng: Random, faces: Floats, down: Floats, across: Floats, draw: Floats, mood: Mood, lit: Mask
) -> Floats:
    """The sky over the roofs of the other side of the street, and a slanting streak of light."""
    skyline = (
        np.float32(0.35) + np.float32(0.5) * draw[8][:, 0] + np.float32(0.12) * np.sin(across * 9 + draw[9][:, 0] * 6)
    )
    share = np.where(down < skyline, np.float32(0.42) - np.float32(0.2) * down, np.float32(0.06))
    streak = np.abs(across + down * np.float32(0.6) - np.float32(1.6) * draw[9][:, 0]) < 0.09
    share = share * (0.4 + 1.2 * draw[0][:, 0]) + streak * np.float32(0.18)
    share = np.minimum(share, 0.75)[:, None] * np.where(lit, np.float32(0.25), np.float32(1))
    wavy = rough(rng, (faces.shape[2], faces.shape[3]), 5, 6) * np.float32(0.3) + np.float32(0.85)
    sky = mood.glow(mood.zenith * np.float32(0.45) + mood.horizon * np.float32(0.55)) * wavy
    return np.asarray(faces * (1 - share) + sky * share, np.float32)


def _recess(faces: Floats, mood: Mood) -> None:
    """The wall's thickness throws a shadow on the glass: below the lintel and on the sun's side."""
    high = max(1, round(faces.shape[2] * 0.1 * mood.slant[1]))
    wide = max(1, round(faces.shape[3] * 0.1 * abs(mood.slant[0])))
    faces[:, :, :high] *= np.float32(0.55)
    side = np.s_[:wide] if mood.slant[0] > 0 else np.s_[-wide:]
    faces[:, :, high:, side] *= np.float32(0.65)


def _bars(faces: Floats, frame: Floats, bars: tuple[int, int]) -> None:
    height, width = faces.shape[2:]
    thick, thin = max(1, round(min(height, width) * 0.09)), max(1, round(min(height, width) * 0.05))
    for index in range(1, bars[0] + 1):
        at = round(width * index / (bars[0] + 1) - thin / 2)
        faces[:, :, :, at : at + thin] = frame
    for index in range(1, bars[1] + 1):
        # One bar sits above the middle, as in a casement with a transom light.
        share = 0.36 if bars[1] == 1 else index / (bars[1] + 1)
        at = round(height * share - thin / 2)
        faces[:, :, at : at + thin] = frame
    faces[:, :, :thick] = frame * np.float32(0.72)
    faces[:, :, -thick:] = frame
    faces[:, :, :, :thick] = frame * np.float32(0.94)
    faces[:, :, :, -thick:] = frame * np.float32(0.94)


def _around(canvas: Canvas, box: Box, openings: Openings, scheme: Scheme, mood: Mood) -> None:
    """Surround, sill and lintel of one opening, with their shadows; the front of a dormer."""
    edge = max(0.007, 1 / canvas.unit)
    x0, y0, x1, y1 = box
    if openings.in_roof:
        cast(canvas, Box(x0 - edge, y0 - edge, x1 + edge, y1), 0.03, mood)
        canvas.thin(Box(x0 - 1.5 * edge, y0 - 2 * edge, x1 + 1.5 * edge, y1), scheme.trim)
        canvas.thin(Box(x0 - 2.5 * edge, y0 - 3 * edge, x1 + 2.5 * edge, y0 - 1.5 * edge), scheme.roof_colour)
        return
    if openings.label == "door":
        canvas.thin(Box(x0 - 1.5 * edge, y0 - 1.5 * edge, x1 + 1.5 * edge, y1), scheme.trim * np.float32(0.92))
        canvas.thin(Box(x0 - 3 * edge, y0 - 3 * edge, x1 + 3 * edge, y0 - edge), scheme.trim)
        canvas.thin(Box(x0 - 3 * edge, y1, x1 + 3 * edge, y1 + 1.5 * edge), colour(150, 146, 140))
        return
    if scheme.surround:
        canvas.thin(Box(x0 - edge, y0 - edge, x1 + edge, y1), scheme.trim * np.float32(0.96))
        if not openings.arched:
            canvas.thin(Box(x0 - 1.6 * edge, y0 - 2.2 * edge, x1 + 1.6 * edge, y0 - edge), scheme.trim)
    sill = Box(x0 - 1.5 * edge, y1, x1 + 1.5 * edge, y1 + edge)
    cast(canvas, sill, 0.012, mood)
    canvas.thin(sill, scheme.trim)


def cast(canvas: Canvas, box: Box, depth: float, mood: Mood) -> None:
    """Let a box that stands out by `depth` throw its shadow."""
    right, down = mood.slant[0] * depth, mood.slant[1] * depth
    canvas.shade(Box(box.x0 + right, box.y0 + down, box.x1 + right, box.y1 + down))


def _shutters(canvas: Canvas, box: Box, scheme: Scheme, mood: Mood) -> None:
    wide = (box.x1 - box.x0) * 0.42
    gap = 0.5 / canvas.scale
    for left, right in ((box.x0 - wide - gap, box.x0 - gap), (box.x1 + gap, box.x1 + wide + gap)):
        flap = Box(left, box.y0, right, box.y1)
        cast(canvas, flap, 0.01, mood)
        pixels = canvas.snap(flap)
        height, width = canvas.shape(pixels)
        slats = np.where(np.arange(height) % max(3, height // 9) < 1.5, np.float32(0.68), np.float32(1.03))
        face = scheme.shutter * np.broadcast_to(slats[:, None], (height, width))
        face[:, height // 2] = scheme.shutter[:, 0] * np.float32(0.85)
        canvas.fill(pixels, "shutter", face)


def _door(rng: Random, shape: tuple[int, int], scheme: Scheme) -> Floats:
    """A door leaf with sunk panels, a light above it, a step and a handle."""
    height, width = shape
    upright = rough(rng, shape, 12, 1.5) * np.float32(0.24) + np.float32(0.88)
    face = scheme.door * upright
    light = height // 5
    face[:, :light] = GLASS * np.float32(rng.uniform(0.7, 1.6))
    face[:, light : light + max(1, height // 30)] = scheme.frame
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    gap = max(1, width // 10)
    high, wide = (height - light) // rows, width // columns
    for row in range(rows):
        for column in range(columns):
            top, left = light + row * high + gap, column * wide + gap
            bottom, right = top + high - 2 * gap, left + wide - 2 * gap
            face[:, top:bottom, left:right] *= np.float32(0.82)
            face[:, top : top + 1, left:right] *= np.float32(0.7)
            face[:, bottom : bottom + 1, left:right] *= np.float32(1.2)
    face[:, -max(1, height // 24) :] *= np.float32(0.75)
    at = round(light + (height - light) * 0.55)
    face[:, at : at + 2, width - gap : width - gap + 1] = colour(214, 184, 110)
    return face


def paint_balcony(canvas: Canvas, rng: Random, box: Box, scheme: Scheme, mood: Mood) -> None:
    """A balcony: slab, and railing that one sees through or a solid parapet; its shadow lies on the wall."""
    slab = min(0.022, (box.y1 - box.y0) * 0.35)
    pixels = canvas.snap(box)
    x0, _, x1, y1 = canvas.snapped(box)
    canvas.shade(Box(x0 + 0.05 * mood.slant[0], y1, x1 + 0.05 * mood.slant[0], y1 + 0.075 * mood.slant[1]))
    shape = canvas.shape(pixels)
    step = max(3, round(canvas.unit * 0.011))
    foot = max(1, round(slab * canvas.unit))
    x = np.arange(shape[1])
    if scheme.ironwork:
        solid = np.broadcast_to((x % step < max(1, step // 3)) | (x < 2) | (x >= shape[1] - 2), shape).copy()
        solid[: max(1, round(0.006 * canvas.unit))] = solid[-foot:] = True
        face = np.broadcast_to(colour(*IRON), (3, *shape)).copy()
    else:
        solid = np.ones(shape, bool)
        seams: Floats = np.where(x % (4 * step) < 1, np.float32(0.75), np.float32(1.0))
        face = scheme.trim * (seams * rough(rng, shape, 12, 2.5) * np.float32(0.22) + np.float32(0.8) * seams)
        face[:, : max(1, shape[0] // 8)] *= np.float32(1.12)
    face[:, -foot:] = scheme.trim * np.float32(0.86)
    face[:, -foot : -foot + 1] = scheme.trim * np.float32(1.05)
    canvas.fill(pixels, "balcony", face, solid)
    canvas.mark(pixels, "balcony")


def paint_cornice(canvas: Canvas, rng: Random, box: Box, scheme: Scheme, mood: Mood) -> None:
    """A moulded band of stone; the thick ones have dentils. Its shadow falls on the wall below."""
    pixels = canvas.snap(box)
    x0, y0, x1, y1 = canvas.snapped(box)
    thick = y1 - y0
    canvas.shade(Box(x0 + 0.01 * mood.slant[0], y1, x1, y1 + thick * mood.slant[1] * 0.85))
    shape = canvas.shape(pixels)
    down = ramp(shape[0])[:, None]
    profile: Floats = np.float32(1.08) - np.float32(0.32) * (down * 2 % 1)
    wide = max(6, round(canvas.unit * 0.06))
    stones: Floats = rng.random(shape[1] // wide + 1, np.float32).repeat(wide)[: shape[1]]
    face = scheme.trim * (profile * (stones * np.float32(0.16) + np.float32(0.9)) * grain(rng, shape, 0.06))
    if thick > 0.022 and shape[0] >= 5:
        step = max(4, round(canvas.unit * 0.014))
        dark = np.arange(shape[1]) % step < step // 2
        face[:, -(shape[0] // 3) :, dark] *= np.float32(0.62)
    canvas.fill(pixels, "cornice", face)
