"""Materials: brick, stone, plaster, boards, panels, tiles.

Each takes its random stream, the size in samples, the samples per unit and a colour, and returns colours before
lighting, 3 x height x width. Courses are as high as in the layout's scale, but never lower than what the picture can
show: the same wall has finer bricks in a larger picture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from translate_datasets._drawing.canvas import SAMPLES, Floats

SHEET: Final = 640
"""Side of the sheets of noise that `rough` cuts from."""

Random = np.random.Generator
Indices = NDArray[np.intp]
Material = Callable[[Random, tuple[int, int], float, Floats], Floats]


class Courses(NamedTuple):
    """Pieces laid in rows: per sample row its course and height within, per course and sample column the piece."""

    row: Indices
    rise: Floats
    tone: Floats
    across: Floats
    height: float


@cache
def colour(*rgb: int) -> Floats:
    """A colour from 0..255 as a 3 x 1 x 1 array in 0..1, read-only."""
    value = np.array(rgb, np.float32)[:, None, None] / np.float32(255)
    value.flags.writeable = False
    return value


def ramp(count: int, first: float = 0.0, last: float = 1.0) -> Floats:
    """`count` values from first to last; several times faster than `np.linspace` for the short ones needed here."""
    return np.arange(count, dtype=np.float32) * np.float32((last - first) / max(1, count - 1)) + np.float32(first)


def smooth_noise(rng: Random, shape: tuple[int, int], down: float, across: float) -> Floats:
    """Value noise in [0, 1]: random values `down` x `across` samples apart, blended in between."""
    return _value_noise(rng, _cells(shape[0], down), _cells(shape[1], across))


def noise_at(rng: Random, y: Floats, x: Floats, cell: float) -> Floats:
    """Value noise at given coordinates, from 0 up: the same shapes at any number of samples."""
    return _value_noise(rng, _split(y.ravel() / np.float32(cell)), _split(x.ravel() / np.float32(cell)))


def _value_noise(rng: Random, down: tuple[Indices, Floats], across: tuple[Indices, Floats]) -> Floats:
    (i, s), (j, t) = down, across
    grid = rng.random((int(i[-1]) + 2, int(j[-1]) + 2), np.float32)
    rows = grid[i] + (grid[i + 1] - grid[i]) * s[:, None]
    left = rows.take(j, axis=1)
    return left + (rows.take(j + 1, axis=1) - left) * t


@lru_cache(maxsize=512)
def _cells(length: int, cell: float) -> tuple[Indices, Floats]:
    return _split(np.arange(length, dtype=np.float32) / np.float32(max(cell, 1.0)))


def _split(at: Floats) -> tuple[Indices, Floats]:
    index = at.astype(np.intp)
    part = at - index.astype(np.float32)
    return index, part * part * (3 - 2 * part)


def rough(rng: Random, shape: tuple[int, int], down: float, across: float) -> Floats:
    """Like `smooth_noise`, for the few grain sizes of materials: a random window of a sheet made once per process."""
    if max(shape) > SHEET - 64:
        return smooth_noise(rng, shape, down, across)
    y, x = (int(part * (SHEET - length)) for part, length in zip(rng.random(2), shape, strict=True))
    return _sheet(down, across)[y : y + shape[0], x : x + shape[1]]


@lru_cache(maxsize=48)
def _sheet(down: float, across: float) -> Floats:
    sheet = smooth_noise(np.random.default_rng([round(down * 10), round(across * 10)]), (SHEET, SHEET), down, across)
    sheet.flags.writeable = False
    return sheet


def grain(rng: Random, shape: tuple[int, int], amount: float) -> Floats:
    """Fine grain around 1: independent per sample."""
    return rng.random(shape, np.float32) * np.float32(2 * amount) + np.float32(1 - amount)


def courses(rng: Random, shape: tuple[int, int], height: float, width: float, *, uneven: float = 0.0) -> Courses:
    """Lay pieces in rows, each row shifted against the last.

    Args:
        rng: Random stream.
        shape: Height and width in samples.
        height: Height of a course in samples.
        width: Width of a piece in samples.
        uneven: 0 for half a piece of shift and one width; larger for random shifts and widths that vary by this share.
    """
    y = (np.arange(shape[0], dtype=np.float32) + np.float32(rng.uniform(0, height))) / np.float32(height)
    row = y.astype(np.intp)
    count = int(row[-1]) + 1
    shift = (np.arange(count) % 2 * 0.5).astype(np.float32)
    step = np.full(count, 1 / width, np.float32)
    if uneven:
        shift = rng.random(count, np.float32)
        step *= 1 + uneven * (2 * rng.random(count, np.float32) - 1)
    x = np.arange(shape[1], dtype=np.float32) * step[:, None] + shift[:, None] + np.float32(rng.random())
    column = x.astype(np.intp)
    lattice = rng.random((count, int(column.max()) + 1), np.float32)
    tone = lattice[np.arange(count)[:, None], column]
    return Courses(row, y - row.astype(np.float32), tone, x - column.astype(np.float32), height)


def _size(rng: Random, unit: float, share: float, least: float) -> float:
    return max(unit * share * rng.uniform(0.8, 1.3), least * SAMPLES)


def brick(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Running bond: pieces of changing tone between joints of mortar."""
    high = _size(rng, unit, 0.014, 2.5)
    laid = courses(rng, shape, high, high * rng.uniform(2.2, 3.0))
    spread = rng.uniform(0.25, 0.55)
    warm = np.array([0.10, -0.02, -0.08], np.float32)[:, None, None] * np.float32(rng.uniform(-1, 1))
    tone = laid.tone - np.float32(0.5)
    faces = base * (1 + tone * np.float32(spread)) + warm * (tone * tone * 4 - np.float32(0.3))
    mortar = base * np.float32(0.35) + colour(205, 196, 182) * np.float32(rng.uniform(0.25, 0.62))
    faces = np.where(laid.across < 1.0 / high / 2.4, mortar, faces)
    wall: Floats = faces[:, laid.row]
    wall[:, laid.rise < 1.01 / high] = mortar
    return wall * grain(rng, shape, 0.07)


def stone(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Cut stone: large blocks of uneven length, lit at the upper edge, dark joints."""
    high = _size(rng, unit, 0.032, 4.0)
    laid = courses(rng, shape, high, high * rng.uniform(1.5, 2.4), uneven=0.35)
    tone = laid.tone - np.float32(0.5)
    tint = np.array([0.05, 0.0, -0.06], np.float32)[:, None, None]
    faces = base * (1 + tone * np.float32(rng.uniform(0.2, 0.38))) + tint * np.roll(tone, 7, axis=1)
    joint = base * np.float32(rng.uniform(0.45, 0.68))
    faces = np.where(laid.across < 1.2 / high / 2, joint, faces)
    wall: Floats = faces[:, laid.row]
    wall[:, laid.rise > 1 - 1.2 / high] *= np.float32(1.12)
    wall[:, laid.rise < 1.2 / high] = joint
    pitted = rough(rng, shape, 3, 4) * np.float32(0.22) + np.float32(0.89)
    return wall * pitted * grain(rng, shape, 0.05)


def plaster(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Trowelled plaster: rough at a scale of pixels; on some walls it has come off and shows the bricks."""
    trowelled = rough(rng, shape, 2.5, 3.5) * np.float32(0.2) + np.float32(0.9)
    broad = rough(rng, shape, unit * 0.08, unit * 0.1)
    wall = base * (trowelled * grain(rng, shape, 0.06) * (broad * np.float32(0.16) + np.float32(0.92)))
    if rng.random() < 0.2:
        edge = rough(rng, shape, unit * 0.012, unit * 0.015) * np.float32(0.3)
        bare = rough(rng, shape, unit * 0.09, unit * 0.12) + edge > np.float32(rng.uniform(0.9, 1.05))
        wall = np.where(bare, brick(rng, shape, unit, colour(158, 92, 70)), wall)
    return wall


def boards(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Wooden siding: horizontal or upright boards with grain, each casting a line of shadow on the next."""
    upright = rng.random() < 0.35
    size = (shape[1], shape[0]) if upright else shape
    high = _size(rng, unit, 0.026, 3.0)
    laid = courses(rng, size, high, unit * rng.uniform(0.3, 0.7), uneven=0.3)
    shade = np.where(laid.rise < 1.3 / high, np.float32(0.55), np.float32(1.06) - laid.rise * np.float32(0.12))
    tone = (laid.tone * np.float32(0.22) + np.float32(0.89))[laid.row] * shade[:, None]
    fibre = rough(rng, size, 1.5, 14) * np.float32(0.3) + np.float32(0.85)
    wood = tone * fibre * grain(rng, size, 0.04)
    return base * (wood.T if upright else wood)


def panels(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Cladding: large plates with thin joints, streaked like concrete or metal."""
    high = _size(rng, unit, 0.055, 6.0)
    laid = courses(rng, shape, high, high * rng.uniform(0.8, 2.2))
    plates = laid.tone * np.float32(0.18) + np.float32(0.91)
    tone: Floats = np.where(laid.across < 1.2 / high / 1.4, np.float32(0.55), plates)[laid.row]
    tone[laid.rise < 1.2 / high] = 0.55
    streaks = rough(rng, shape, 16, 1.6) * np.float32(0.2) + np.float32(0.9)
    return base * (tone * streaks * grain(rng, shape, 0.05))


def tiles(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Clay tiles: rounded ends over a dark gap, tones that vary from tile to tile."""
    high = _size(rng, unit, 0.02, 2.6)
    laid = courses(rng, shape, high, high * rng.uniform(0.8, 1.2))
    round_ = 1 - np.float32(0.45) * np.abs(laid.across * 2 - 1) ** 2
    tone = ((laid.tone - np.float32(0.5)) * np.float32(rng.uniform(0.35, 0.6)) + 1) * round_
    shade = np.where(laid.rise > 1 - 1.4 / high, np.float32(0.5), np.float32(0.9) + laid.rise * np.float32(0.28))
    return base * (tone[laid.row] * shade[:, None] * grain(rng, shape, 0.07))


def slates(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Slates: flat, narrow courses, cool glints."""
    high = _size(rng, unit, 0.016, 2.4)
    laid = courses(rng, shape, high, high * rng.uniform(1.1, 1.7), uneven=0.15)
    tone = (laid.tone - np.float32(0.5)) * np.float32(0.5) + 1
    tone = np.where(laid.across < 1.0 / high / 1.3, np.float32(0.6), tone)[laid.row]
    tone[laid.rise > 1 - 1.2 / high] *= np.float32(0.62)
    return base * (tone * grain(rng, shape, 0.08))


def metal(rng: Random, shape: tuple[int, int], unit: float, base: Floats) -> Floats:
    """Sheets with standing seams, streaked by rain."""
    wide = _size(rng, unit, 0.035, 4.0)
    at = (np.arange(shape[1], dtype=np.float32) + np.float32(rng.uniform(0, wide))) % np.float32(wide)
    seam = np.where(at < 1.3, np.float32(1.3), np.where(at < 2.6, np.float32(0.7), np.float32(1)))
    streaks = rough(rng, shape, 22, 1.7) * np.float32(0.34) + np.float32(0.83)
    return base * (streaks * seam * grain(rng, shape, 0.05))


def weather(rng: Random, shape: tuple[int, int], unit: float) -> Floats:
    """Dirt as a factor: damp at the foot, streaks from the top, broad stains."""
    down = ramp(shape[0])[:, None]
    amount = np.float32(0.5 * rng.beta(1.3, 3.0))
    broad = rough(rng, shape, unit * 0.12, unit * 0.16)
    streaks = rough(rng, shape, unit * 0.3, max(3.0, unit * 0.012))
    foot: Floats = np.clip(down * 8 - 7, 0, 1)
    dirt: Floats = broad * np.float32(0.5) + streaks * (1 - down) * np.float32(0.7) + foot * np.float32(0.8)
    return 1 - amount * dirt


WALLS: Final[dict[str, Material]] = {
    "brick": brick,
    "stone": stone,
    "plaster": plaster,
    "boards": boards,
    "panels": panels,
}
ROOFS: Final[dict[str, Material]] = {"tiles": tiles, "slates": slates, "metal": metal}
