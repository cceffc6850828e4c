"""What surrounds the houses: sky, ground, trees, lamps."""

from __future__ import annotations

import numpy as np

from translate_datasets._drawing.canvas import SAMPLES, Canvas, Floats
from translate_datasets._drawing.choices import IRON, Mood
from translate_datasets._drawing.materials import Random, colour, courses, grain, noise_at, ramp, rough, smooth_noise
from translate_datasets._drawing.scene import Box, Scene, Tree

PAVINGS = ((176, 170, 160), (158, 156, 152), (186, 172, 154), (140, 136, 134))
ROADS = ((92, 92, 96), (104, 100, 98), (80, 82, 88))
LAWNS = ((104, 128, 70), (124, 134, 78), (92, 116, 66))
LEAVES = ((84, 116, 58), (104, 128, 62), (72, 100, 62), (126, 134, 66), (168, 122, 58), (150, 84, 54), (188, 150, 70))


def paint_sky(canvas: Canvas, rng: Random, scene: Scene, mood: Mood) -> None:
    """A gradient from zenith to horizon with clouds that are lit from above; one sample per pixel is enough."""
    pixels = canvas.snap(Box(0, 0, scene.aspect, scene.ground))
    pixels = (0, 0, canvas.width, pixels[3])
    shape = (pixels[3], pixels[2])
    down = ramp(shape[0])[:, None]
    share = down ** np.float32(rng.uniform(0.7, 1.3))
    cell = canvas.scale * rng.uniform(0.10, 0.22)
    heap = np.zeros(shape, np.float32)
    for octave, weight in enumerate((0.5, 0.25, 0.15, 0.1)):
        part = cell / 2**octave
        heap += smooth_noise(rng, shape, part * 0.5, part * 1.3) * np.float32(weight)
    density = np.clip((heap - np.float32(0.68 - 0.3 * mood.cover)) * np.float32(6), 0, 1) * np.float32(0.85)
    body = mood.cloud * (np.float32(1.06) - np.float32(0.35) * np.clip(heap - np.float32(0.45), 0, 1))
    blue = mood.zenith + (mood.horizon - mood.zenith) * share
    sky = blue + (body - blue) * density
    canvas.fill(pixels, "sky", mood.glow(sky).repeat(SAMPLES, axis=1).repeat(SAMPLES, axis=2))


def paint_ground(canvas: Canvas, rng: Random, scene: Scene, mood: Mood) -> None:
    """Pavement or lawn before the houses, a kerb, and the road."""
    y = canvas.snap(Box(0, scene.ground, scene.aspect, scene.kerb))
    near = (0, y[1], canvas.width, y[3])
    shape = canvas.shape(near)
    if rng.random() < 0.3:
        grass: Floats = rough(rng, shape, 2.2, 1.5) * np.float32(0.5) + np.float32(0.72)
        face: Floats = _pick(rng, LAWNS) * (grass * grain(rng, shape, 0.12))
    else:
        face = _paving(rng, shape, canvas.unit)
    canvas.fill(near, "ground", face)
    canvas.shade(Box(0, near[1] / canvas.scale, scene.aspect, near[1] / canvas.scale + 0.012), 0.45)
    road = (0, near[3], canvas.width, max(canvas.height, near[3] + 1))
    shape = canvas.shape(road)
    worn = rough(rng, shape, canvas.unit * 0.02, canvas.unit * 0.15) * np.float32(0.24) + np.float32(0.88)
    canvas.fill(road, "ground", _pick(rng, ROADS) * (worn * grain(rng, shape, 0.14)))
    kerb = near[3] / canvas.scale
    canvas.thin(Box(0, kerb - 0.006, scene.aspect, kerb + 0.004), colour(196, 192, 184))
    canvas.shade(Box(0, kerb + 0.004, scene.aspect, kerb + 0.014), 0.2)


def _paving(rng: Random, shape: tuple[int, int], unit: float) -> Floats:
    high = max(unit * 0.022, 2.5 * SAMPLES)
    laid = courses(rng, shape, high, high * rng.uniform(1.6, 3.0), uneven=0.1)
    tone = laid.tone * np.float32(0.22) + np.float32(0.9)
    tone = np.where(laid.across < 0.5 / high, np.float32(0.68), tone)[laid.row]
    tone[laid.rise < 1.1 / high] = 0.7
    return _pick(rng, PAVINGS) * (tone * grain(rng, shape, 0.08))


def paint_tree(canvas: Canvas, rng: Random, tree: Tree, mood: Mood) -> None:
    """Leaves in clumps, brighter towards the sun; a soft shadow on the ground."""
    x, foot = tree.foot
    reach = max(radius for _, _, radius in tree.discs) * 1.4
    _spot(canvas, (x + 0.03 * mood.slant[0], foot), (reach, 0.016))
    if tree.trunk is not None:
        shape = canvas.shape(canvas.snap(tree.trunk))
        bark = rough(rng, shape, 7, 1.3) * np.float32(0.7) + np.float32(0.6)
        canvas.box(tree.trunk, "tree", colour(96, 78, 62) * bark)
    x0, y0, x1, y1 = (
        pick(disc[axis] + sign * disc[2] for disc in tree.discs)
        for pick, axis, sign in ((min, 0, -1), (min, 1, -1), (max, 0, 1), (max, 1, 1))
    )
    pixels = canvas.snap(Box(x0 - 0.02, y0 - 0.02, x1 + 0.02, y1 + 0.02))
    shape = canvas.shape(pixels)
    y_, x_ = canvas.points(pixels)
    inside = np.full(shape, -1, np.float32)
    for cx, cy, radius in tree.discs:
        np.maximum(inside, 1 - ((x_ - cx) ** 2 + (y_ - cy) ** 2) / np.float32(radius**2), out=inside)
    ragged = noise_at(
        np.random.default_rng(tree.ragged),
        np.maximum(y_ - np.float32(y0 - 0.04), 0),
        np.maximum(x_ - np.float32(x0 - 0.04), 0),
        0.012,
    )
    mask = inside + (ragged - np.float32(0.5)) * np.float32(0.9) > 0.05
    clump = rough(rng, shape, canvas.unit * 0.022, canvas.unit * 0.022)
    leaf = rough(rng, shape, 2.4, 2.4)
    side = (x_ - x) / np.float32(reach) * np.float32(-0.28 if mood.slant[0] > 0 else 0.28)
    height = (y_ - (y0 + y1) / 2) / np.float32(max(1e-6, y1 - y0)) * np.float32(-0.55)
    tone = np.float32(0.42) + clump * np.float32(0.42) + leaf * np.float32(0.5) + side + height
    canvas.fill(pixels, "tree", _pick(rng, LEAVES) * np.clip(tone, 0.2, 1.5), mask)


def _spot(canvas: Canvas, centre: tuple[float, float], radii: tuple[float, float]) -> None:
    """A soft elliptic shadow."""
    box = Box(centre[0] - radii[0], centre[1] - radii[1], centre[0] + radii[0], centre[1] + radii[1])
    x0, y0, x1, y1 = canvas.snap(box)
    pixels = (max(0, x0), max(0, y0), min(canvas.width, x1), min(canvas.height, y1))
    if pixels[0] >= pixels[2] or pixels[1] >= pixels[3]:
        return
    y, x = canvas.points(pixels)
    away = ((x - centre[0]) / np.float32(radii[0])) ** 2 + ((y - centre[1]) / np.float32(radii[1])) ** 2
    area = tuple(slice(a * SAMPLES, b * SAMPLES) for a, b in ((pixels[1], pixels[3]), (pixels[0], pixels[2])))
    np.minimum(canvas.light[area], np.clip(away, 0.1, 1), out=canvas.light[area])


def paint_lamp(canvas: Canvas, lamp: Box, mood: Mood) -> None:
    """A street lamp: post, lantern, and at dusk its light."""
    middle, high = (lamp.x0 + lamp.x1) / 2, lamp.y1 - lamp.y0
    half = max(0.005, 0.5 / canvas.scale)
    iron = colour(*IRON)
    _spot(canvas, (middle + 0.02 * mood.slant[0], lamp.y1), (0.04, 0.008))
    canvas.box(Box(middle - half, lamp.y0 + 0.05, middle + half, lamp.y1), "lamp", iron)
    canvas.box(Box(middle - half * 2, lamp.y1 - high * 0.12, middle + half * 2, lamp.y1), "lamp", iron)
    canvas.box(Box(lamp.x0, lamp.y0, lamp.x1, lamp.y0 + 0.055), "lamp", iron)
    on = mood.lit > 0.3
    glass = mood.glow(colour(255, 232, 170)) if on else colour(214, 214, 200)
    canvas.thin(Box(lamp.x0 + 0.008, lamp.y0 + 0.013, lamp.x1 - 0.008, lamp.y0 + 0.045), glass)
    if on:
        _halo(canvas, (middle, lamp.y0 + 0.03), 0.16, mood)


def _halo(canvas: Canvas, centre: tuple[float, float], radius: float, mood: Mood) -> None:
    x0, y0, x1, y1 = canvas.snap(Box(centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius))
    pixels = (max(0, x0), max(0, y0), min(canvas.width, x1), min(canvas.height, y1))
    y, x = canvas.points(pixels)
    near = np.clip(1 - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / np.float32(radius**2), 0, 1) ** 3
    window = np.s_[:, pixels[1] * SAMPLES : pixels[3] * SAMPLES, pixels[0] * SAMPLES : pixels[2] * SAMPLES]
    canvas.rgb[window] += mood.glow(colour(255, 196, 110)) * (near * np.float32(0.4))


def _pick(rng: Random, list_: tuple[tuple[int, int, int], ...]) -> Floats:
    return colour(*list_[rng.integers(len(list_))]) * np.float32(rng.uniform(0.93, 1.06))
