"""Where things stand: draws a scene.

A layout does not know the size in pixels; the label map follows from it alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from translate_datasets._drawing.programmes import PROGRAMMES, Programme
from translate_datasets._drawing.scene import Box, House, Openings, RoofKind, Scene, StyleName, Tree

SPACED: Final = ("townhouse", "shop", "modern", "cottage", "church")


def compose(rng: np.random.Generator, aspect: float) -> Scene:
    """Draw the layout of one picture.

    Args:
        rng: The layout's own random stream.
        aspect: Width over height of the picture.

    Returns:
        The scene.
    """
    ground = rng.uniform(0.83, 0.91)
    kerb = ground + (1 - ground) * rng.uniform(0.35, 0.6)
    houses = _row(rng, aspect, ground) if rng.random() < 0.3 else _spaced(rng, aspect, ground)
    trees = [_tree(rng, aspect, ground) for _ in range(rng.choice(4, p=(0.4, 0.3, 0.2, 0.1)))]
    lamps = [_lamp(rng, aspect, kerb)] if rng.random() < 0.4 else []
    return Scene(aspect=aspect, ground=ground, kerb=kerb, houses=tuple(houses), trees=tuple(trees), lamps=tuple(lamps))


def _row(rng: np.random.Generator, aspect: float, ground: float) -> list[House]:
    houses: list[House] = []
    x = -rng.uniform(0.0, 0.2)
    while x < aspect:
        width = rng.uniform(0.27, 0.5)
        if aspect - x - width < 0.14:  # no slivers at the edge
            width = max(0.2, aspect - x + 0.02)
        houses.append(_house(rng, "row", x, x + width, rng.uniform(0.2, 0.42), ground))
        x += width
    return houses


def _spaced(rng: np.random.Generator, aspect: float, ground: float) -> list[House]:
    """One free-standing building per unit of width, each in its plot, now and then wider than the picture."""
    plots = max(1, round(aspect))
    plot = aspect / plots
    houses: list[House] = []
    for index in range(plots):
        style: StyleName = SPACED[rng.choice(5, p=(0.27, 0.22, 0.21, 0.18, 0.12))]
        left, right = plot * rng.uniform(-0.04, 0.2 if style == "cottage" else 0.15, 2)
        x0, x1 = index * plot + left, (index + 1) * plot - right
        if style == "church":
            houses += _church(rng, x0, x1, ground)
            continue
        low, high = (0.46, 0.58) if style == "cottage" else (0.17, 0.38)
        houses.append(_house(rng, style, x0, x1, rng.uniform(low, high), ground))
    return houses


def _church(rng: np.random.Generator, x0: float, x1: float, ground: float) -> list[House]:
    """A nave with a gable and, beside or before it, a tower with a spire."""
    width = x1 - x0
    nave = _house(rng, "church", x0 + 0.1 * width, x1 - 0.1 * width, rng.uniform(0.5, 0.6), ground)
    tower = width * rng.uniform(0.24, 0.32)
    left = (x0, (x0 + x1 - tower) / 2, x1 - tower)[rng.choice(3, p=(0.35, 0.3, 0.35))]
    nave = replace(nave, openings=tuple(_beside(part, left - 0.01, left + tower + 0.01) for part in nave.openings))
    wall = Box(left, rng.uniform(0.34, 0.42), left + tower, ground)
    size = tower * rng.uniform(0.3, 0.4)
    centre = left + (tower - size) / 2
    rows = (0.05, 0.07 + 2.4 * size) if ground - wall.y0 > 0.26 + 4.4 * size else (0.06,)
    bells = tuple((centre, wall.y0 + step) for step in rows)
    door = tower * rng.uniform(0.4, 0.55)
    parts = (
        Openings(label="window", width=size, height=size * 2, corners=bells, arched=True),
        Openings(
            label="door",
            width=door,
            height=0.15,
            corners=((left + (tower - door) / 2, ground - 0.15),),
            arched=True,
        ),
    )
    band = Box(left - 0.008, wall.y0 - 0.005, left + tower + 0.008, wall.y0 + 0.02)
    spire = House(
        style="church",
        wall=wall,
        roof="spire",
        apex=wall.y0 - tower * rng.uniform(0.8, 1.6),
        overhang=0.012,
        storeys=2,
        openings=parts,
        cornices=(band,),
    )
    return [nave, spire]


def _beside(openings: Openings, left: float, right: float) -> Openings:
    """Those that nothing between `left` and `right` would cut."""
    corners = tuple((x, y) for x, y in openings.corners if x + openings.width < left or x > right)
    return replace(openings, corners=corners)


def _house(rng: np.random.Generator, style: StyleName, x0: float, x1: float, top: float, ground: float) -> House:
    programme = PROGRAMMES[style]
    wall = Box(x0, top, x1, ground)
    roof = programme.roofs[rng.integers(len(programme.roofs))]
    apex, overhang = _roof_size(rng, roof, wall)
    storeys = min(7, max(1, round((ground - top) / rng.uniform(*programme.storey))))
    columns = min(9, max(1, round((x1 - x0) / rng.uniform(*programme.bay))))
    shop = _shop(rng, wall, storeys, programme)
    openings, balconies = _fenestration(rng, wall, (storeys, columns), programme, shop)
    openings += _attic(rng, wall, roof, apex, columns, programme)
    return House(
        style=style,
        wall=wall,
        roof=roof,
        apex=apex,
        overhang=overhang,
        storeys=storeys,
        openings=tuple(openings),
        shop=shop,
        balconies=tuple(balconies),
        cornices=tuple(_cornices(rng, wall, roof, storeys, programme)),
        chimneys=tuple(_chimneys(rng, wall, roof, apex, programme)),
    )


def _roof_size(rng: np.random.Generator, roof: RoofKind, wall: Box) -> tuple[float, float]:
    width = wall.x1 - wall.x0
    rise = {
        "flat": 0.0,
        "pitched": rng.uniform(0.10, 0.17),
        "hipped": rng.uniform(0.12, 0.19),
        "mansard": rng.uniform(0.10, 0.16),
        "gable": min(0.32, width * rng.uniform(0.4, 0.6)),
        "stepped": min(0.24, width * rng.uniform(0.4, 0.6)),
        "spire": 0.0,
    }[roof]
    return max(0.03, wall.y0 - rise), 0.0 if roof in {"flat", "stepped"} else rng.uniform(0.008, 0.022)


def _shop(rng: np.random.Generator, wall: Box, storeys: int, programme: Programme) -> Box | None:
    if storeys < 2 or rng.random() >= programme.shop:
        return None
    inset = (wall.x1 - wall.x0) * rng.uniform(0.03, 0.08)
    height = (wall.y1 - wall.y0) / storeys * rng.uniform(0.82, 0.94)
    return Box(wall.x0 + inset, wall.y1 - height, wall.x1 - inset, wall.y1)


def _fenestration(
    rng: np.random.Generator, wall: Box, counts: tuple[int, int], programme: Programme, shop: Box | None
) -> tuple[list[Openings], list[Box]]:
    """Windows on the grid of storeys and bays, a door in the lowest storey, balconies before some windows."""
    storeys, columns = counts
    bay, storey = (wall.x1 - wall.x0) / columns, (wall.y1 - wall.y0) / storeys
    shutters = bool(rng.random() < programme.shutters)
    arched = bool(rng.random() < programme.arched)
    width = bay * rng.uniform(*programme.window) * (0.85 if shutters else 1.0)
    height = storey * rng.uniform(*programme.tall)
    lift = storey * rng.uniform(0.55, 0.75) - height / 2
    lefts = [wall.x0 + bay * (column + 0.5) - width / 2 for column in range(columns)]
    tops = [wall.y0 + storey * row + max(0.1 * storey, storey - lift - height) for row in range(storeys)]
    upper = [(x, y) for y in tops[:-1] for x in lefts]
    balconies = _balconies(rng, upper, (width, height), columns, programme)
    openings: list[Openings] = []
    if shop is None:
        column = int(rng.integers(columns))
        upper += [(x, tops[-1]) for index, x in enumerate(lefts) if index != column]
        openings.append(_door(rng, wall, wall.x0 + bay * (column + 0.5), (bay, storey), programme.arched > 0))
    openings.append(
        Openings(label="window", width=width, height=height, corners=tuple(upper), arched=arched, shutters=shutters)
    )
    return openings, balconies


def _door(rng: np.random.Generator, wall: Box, centre: float, cell: tuple[float, float], may_arch: bool) -> Openings:
    bay, storey = cell
    width = min(0.13, max(0.05, bay * rng.uniform(0.42, 0.62)))
    height = min(0.8 * storey, width * rng.uniform(1.7, 2.2))
    arched = may_arch and bool(rng.random() < 0.25)
    return Openings(
        label="door", width=width, height=height, corners=((centre - width / 2, wall.y1 - height),), arched=arched
    )


def _balconies(
    rng: np.random.Generator,
    corners: list[tuple[float, float]],
    size: tuple[float, float],
    columns: int,
    programme: Programme,
) -> list[Box]:
    """On whole columns, or one storey over its whole width, as architects do; never scattered."""
    if not corners or rng.random() >= programme.balcony:
        return []
    width, height = size
    out = width * rng.uniform(0.1, 0.28)
    rail = max(0.03, height * rng.uniform(0.3, 0.45))
    rows = len(corners) // columns
    if rng.random() < 0.25:
        row = int(rng.integers(rows))
        first, last = corners[row * columns], corners[(row + 1) * columns - 1]
        bottom = first[1] + height
        return [Box(first[0] - out, bottom - rail, last[0] + width + out, bottom + 0.015)]
    chosen = [bool(rng.random() < 0.5) for _ in range(columns)]
    return [
        Box(x - out, y + height - rail, x + width + out, y + height + 0.015)
        for index, (x, y) in enumerate(corners)
        if chosen[index % columns]
    ]


def _attic(
    rng: np.random.Generator, wall: Box, roof: RoofKind, apex: float, columns: int, programme: Programme
) -> list[Openings]:
    """A window in the gable, or dormers in the roof."""
    rise, middle = wall.y0 - apex, (wall.x0 + wall.x1) / 2
    if roof in {"gable", "stepped"} and rise > 0.1:
        size = rise * rng.uniform(0.22, 0.34)
        corner = (middle - size / 2, wall.y0 - rise * rng.uniform(0.46, 0.56))
        arched = bool(rng.random() < 0.5)
        return [Openings(label="window", width=size, height=size * 1.25, corners=(corner,), arched=arched)]
    if roof in {"pitched", "hipped", "mansard"} and rise > 0.09 and rng.random() < programme.dormer:
        bay = (wall.x1 - wall.x0) / columns
        width, height = min(0.075, bay * 0.42), rise * rng.uniform(0.45, 0.58)
        first = (2 if columns > 5 else 1) if roof == "hipped" and columns > 2 else 0
        xs = [wall.x0 + bay * (column + 0.5) - width / 2 for column in range(first, columns - first)]
        corners = tuple((x, wall.y0 - height - rise * 0.16) for x in xs)
        return [Openings(label="window", width=width, height=height, corners=corners, in_roof=True)]
    return []


def _cornices(rng: np.random.Generator, wall: Box, roof: RoofKind, storeys: int, programme: Programme) -> list[Box]:
    out, found = rng.uniform(0.006, 0.016), []
    if roof == "flat" or (roof not in {"gable", "stepped"} and rng.random() < programme.cornice):
        found.append(Box(wall.x0 - out, wall.y0 - 0.004, wall.x1 + out, wall.y0 + rng.uniform(0.024, 0.042)))
    if storeys > 1 and rng.random() < programme.cornice * 0.8:
        storey, thick = (wall.y1 - wall.y0) / storeys, rng.uniform(0.016, 0.022)
        rows = range(1, storeys) if rng.random() < 0.25 else (storeys - 1,)
        lines = [wall.y0 + storey * row for row in rows]
        found += [Box(wall.x0 - out / 2, y - thick / 2, wall.x1 + out / 2, y + thick / 2) for y in lines]
    return found


def _chimneys(rng: np.random.Generator, wall: Box, roof: RoofKind, apex: float, programme: Programme) -> list[Box]:
    if rng.random() >= programme.chimney:
        return []
    found = []
    for side in rng.permutation(2)[: rng.integers(1, 3)]:
        width, height = rng.uniform(0.04, 0.075), rng.uniform(0.05, 0.1)
        along = rng.uniform(0.1, 0.3)
        centre = wall.x0 + (wall.x1 - wall.x0) * (along if side else 1 - along)
        steep = roof in {"gable", "stepped"}
        top = (apex * 0.55 + wall.y0 * 0.45 if steep else apex) - height
        found.append(Box(centre - width / 2, max(0.01, top), centre + width / 2, wall.y0 + 0.01))
    return found


def _tree(rng: np.random.Generator, aspect: float, ground: float) -> Tree:
    """Mostly near the picture's sides, so that the building stays in view."""
    near = rng.beta(0.6, 2.2) * 0.5
    x = aspect * (near if rng.random() < 0.5 else 1 - near)
    foot = ground + rng.uniform(0.005, 0.04)
    bush = rng.random() < 0.35
    radius = rng.uniform(0.035, 0.06) if bush else rng.uniform(0.06, 0.11)
    crown = foot - radius * 0.6 if bush else foot - rng.uniform(0.24, 0.38)
    angles = np.arange(7) * (2 * np.pi / 7) + rng.uniform(0, 1)
    reach = radius * rng.uniform(0.45, 0.95, 7)
    radii = radius * rng.uniform(0.5, 0.8, 7)
    ring = zip(x + reach * np.cos(angles), crown + reach * np.sin(angles), radii, strict=True)
    discs = ((x, crown, radius), *((float(a), float(b), float(r)) for a, b, r in ring))
    thick = rng.uniform(0.012, 0.02)
    trunk = None if bush else Box(x - thick / 2, crown, x + thick / 2, foot)
    return Tree(discs=discs, trunk=trunk, foot=(x, foot), ragged=int(rng.integers(2**32)))


def _lamp(rng: np.random.Generator, aspect: float, kerb: float) -> Box:
    x, height = aspect * rng.uniform(0.05, 0.95), rng.uniform(0.36, 0.52)
    return Box(x - 0.02, kerb - height, x + 0.02, kerb)
