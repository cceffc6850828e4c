"""From a layout to its label map and picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from translate_datasets._drawing.canvas import SAMPLES, Canvas, Mask, convex
from translate_datasets._drawing.choices import Mood, Scheme, draw_mood, draw_scheme
from translate_datasets._drawing.details import paint_balcony, paint_cornice, paint_openings
from translate_datasets._drawing.layout import compose
from translate_datasets._drawing.materials import ROOFS, WALLS, Random, brick, colour, stone, weather
from translate_datasets._drawing.scene import Box, House, Scene
from translate_datasets._drawing.scenery import paint_ground, paint_lamp, paint_sky, paint_tree
from translate_datasets._drawing.shop import paint_shop

Picture = NDArray[np.uint8]


def draw_pair(layout: Random, material: Random, size: tuple[int, int]) -> tuple[Picture, Picture]:
    """Draw one example.

    Args:
        layout: Random stream that decides what stands where; the label map depends on nothing else.
        material: Random stream that decides materials, colours, weather and light.
        size: Height and width in pixels.

    Returns:
        The label map in the palette's colours and the picture, both height x width x 3.
    """
    height, width = size
    scene = compose(layout, width / height)
    return paint(scene, material, size)


def paint(scene: Scene, rng: Random, size: tuple[int, int]) -> tuple[Picture, Picture]:
    """Paint a scene, from back to front."""
    canvas = Canvas(*size)
    mood = draw_mood(rng)
    paint_sky(canvas, rng, scene, mood)
    paint_ground(canvas, rng, scene, mood)
    schemes = [draw_scheme(rng, house.style) for house in scene.houses]
    for house, scheme in zip(scene.houses, schemes, strict=True):
        _house(canvas, rng, house, scheme, mood)
    for tree in scene.trees:
        paint_tree(canvas, rng, tree, mood)
    for lamp in scene.lamps:
        paint_lamp(canvas, lamp, mood)
    return canvas.finish(mood.ambient, mood.sun)


def _house(canvas: Canvas, rng: Random, house: House, scheme: Scheme, mood: Mood) -> None:
    for chimney in house.chimneys:
        _chimney(canvas, rng, chimney, scheme)
    _roof(canvas, rng, house, scheme)
    _wall(canvas, rng, house, scheme)
    _eaves(canvas, house, mood)
    _trim(canvas, rng, house, scheme)
    for box in house.cornices:
        paint_cornice(canvas, rng, box, scheme, mood)
    if house.shop is not None:
        paint_shop(canvas, rng, house.shop, scheme, mood)
    for openings in house.openings:
        paint_openings(canvas, rng, openings, scheme, mood)
    for box in house.balconies:
        paint_balcony(canvas, rng, box, scheme, mood)


def _chimney(canvas: Canvas, rng: Random, box: Box, scheme: Scheme) -> None:
    pixels = canvas.snap(box)
    shape = canvas.shape(pixels)
    base = scheme.wall_colour if scheme.wall == "brick" else colour(148, 84, 66)
    face = brick(rng, shape, canvas.unit, base)
    face[:, :, : shape[1] // 3] *= np.float32(0.8)
    face[:, : max(2, shape[0] // 14)] = scheme.trim * np.float32(0.8)
    canvas.fill(pixels, "chimney", face)


def _roof(canvas: Canvas, rng: Random, house: House, scheme: Scheme) -> None:
    corners = _roof_corners(house)
    if not corners:
        return
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    pixels = canvas.snap(Box(min(xs), min(ys), max(xs), max(ys)))
    texture = ROOFS[scheme.roof](rng, canvas.shape(pixels), canvas.unit, scheme.roof_colour)
    texture *= weather(rng, canvas.shape(pixels), canvas.unit)
    canvas.fill(pixels, "roof", texture, convex(*canvas.points(pixels), corners))


def _roof_corners(house: House) -> tuple[tuple[float, float], ...]:
    """The roof's outline, clockwise; empty where the wall hides it."""
    (x0, top, x1, _), out, apex = house.wall, house.overhang, house.apex
    middle, low = (x0 + x1) / 2, top + 0.008
    inset = {"pitched": 0.03, "hipped": 0.3, "mansard": 0.06}.get(house.roof)
    if inset is not None:
        step = (x1 - x0) * inset
        return ((x0 - out, low), (x0 + step, apex), (x1 - step, apex), (x1 + out, low))
    if house.roof in {"gable", "spire"}:
        return ((x0 - out, low), (middle, apex), (x1 + out, low))
    return ()


def _wall(canvas: Canvas, rng: Random, house: House, scheme: Scheme) -> None:
    """The wall up to its gable, in one texture."""
    gabled = house.roof in {"gable", "stepped"}
    top = house.apex if gabled else house.wall.y0
    pixels = canvas.snap(Box(house.wall.x0, top, house.wall.x1, house.wall.y1))
    shape = canvas.shape(pixels)
    texture = WALLS[scheme.wall](rng, shape, canvas.unit, scheme.wall_colour) * weather(rng, shape, canvas.unit)
    canvas.fill(pixels, "wall", texture, _gable(canvas, house, shape) if gabled else None)


def _gable(canvas: Canvas, house: House, shape: tuple[int, int]) -> Mask:
    """Where a gabled wall is: a triangle within the roof's edges, or steps, over the full width below."""
    rise = (house.wall.y0 - house.apex) * canvas.unit
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    away = np.abs(np.arange(shape[1], dtype=np.float32) + np.float32(0.5) - shape[1] / 2)[None, :] * 2 / shape[1]
    if house.roof == "stepped":
        steps = 4
        return np.asarray(np.floor(away * steps) / (steps - 0.5) * rise <= y)
    border = 0.03 * canvas.unit
    return np.asarray((away * rise + border <= y) | (y >= rise + border))


def _eaves(canvas: Canvas, house: House, mood: Mood) -> None:
    """Shadow of the roof's edge on the wall."""
    (x0, top, x1, _), deep = house.wall, 0.026 * mood.slant[1]
    if house.roof in {"pitched", "hipped", "mansard", "spire"}:
        canvas.shade(Box(x0, top, x1, top + deep))


def _trim(canvas: Canvas, rng: Random, house: House, scheme: Scheme) -> None:
    """Stones at the corners and at the foot; both are part of the wall's class."""
    x0, top, x1, ground = house.wall
    if scheme.plinth:
        pixels = canvas.snap(Box(x0, ground - 0.03, x1, ground))
        canvas.fill(pixels, "wall", stone(rng, canvas.shape(pixels), canvas.unit, scheme.trim * np.float32(0.8)))
    if not scheme.corners:
        return
    high = max(0.03, 3 * SAMPLES / canvas.unit)
    for index in range(int((ground - top) / high)):
        wide = 0.034 if index % 2 else 0.022
        y, tone = top + index * high, scheme.trim * np.float32(rng.uniform(0.86, 1.02))
        for left in (x0, x1 - wide):
            canvas.thin(Box(left, y, left + wide, y + high * 0.9), tone)
