"""Light and colour: what is drawn once per picture (mood) and once per house (scheme), from curated lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from translate_datasets._drawing.canvas import Floats
from translate_datasets._drawing.materials import Random, colour
from translate_datasets._drawing.scene import StyleName

Triples = tuple[tuple[int, int, int], ...]

# name -> probability, zenith, horizon, cloud, ambient light, sun light, share of lit windows, share of sky in clouds
SKIES: Final[dict[str, tuple[float, Triples, tuple[float, ...], tuple[float, ...], float, float]]] = {
    "clear": (
        0.36,
        ((84, 140, 206), (190, 216, 236), (250, 250, 250)),
        (0.46, 0.50, 0.57),
        (0.60, 0.56, 0.47),
        0.02,
        0.40,
    ),
    "overcast": (
        0.18,
        ((158, 168, 180), (212, 215, 216), (232, 233, 234)),
        (0.76, 0.79, 0.82),
        (0.18, 0.17, 0.15),
        0.08,
        0.85,
    ),
    "golden": (
        0.20,
        ((104, 146, 194), (248, 216, 172), (255, 232, 206)),
        (0.42, 0.41, 0.48),
        (0.72, 0.57, 0.38),
        0.05,
        0.40,
    ),
    "haze": (
        0.14,
        ((150, 178, 200), (232, 227, 214), (244, 240, 232)),
        (0.56, 0.56, 0.57),
        (0.42, 0.40, 0.36),
        0.03,
        0.30,
    ),
    "dusk": (
        0.12,
        ((44, 58, 108), (226, 152, 124), (150, 104, 122)),
        (0.56, 0.52, 0.63),
        (0.12, 0.08, 0.07),
        0.55,
        0.50,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mood:
    """Weather and light of one picture.

    Attributes:
        zenith: Colour of the sky's top.
        horizon: Colour of its lower end.
        cloud: Colour of the clouds.
        cover: How much of the sky they fill.
        ambient: Light in the shadow, 3.
        sun: What the sun adds, 3.
        slant: How far a shadow moves per unit of depth: sideways and down.
        lit: Share of windows with a lamp behind them.
    """

    zenith: Floats
    horizon: Floats
    cloud: Floats
    cover: float
    ambient: Floats
    sun: Floats
    slant: tuple[float, float]
    lit: float

    def glow(self, own: Floats) -> Floats:
        """What to paint so that `own` is seen whatever the light: sky, lamps, reflections."""
        return own / (self.ambient + self.sun)[:, None, None]


def draw_mood(rng: Random) -> Mood:
    """Draw weather, time of day and the sun's side."""
    skies = tuple(SKIES.values())
    _, hues, ambient, sun, lit, cover = skies[rng.choice(len(skies), p=[sky[0] for sky in skies])]
    side = 1.0 if rng.random() < 0.5 else -1.0
    strength = np.float32(rng.uniform(0.85, 1.08))
    zenith, horizon, cloud = (_near(rng, hue, 0.03) for hue in hues)
    return Mood(
        zenith=zenith,
        horizon=horizon,
        cloud=cloud,
        cover=cover * rng.uniform(0.3, 1.3),
        ambient=np.array(ambient, np.float32),
        sun=np.array(sun, np.float32) * strength,
        slant=(side * rng.uniform(0.35, 1.0), rng.uniform(0.7, 1.25)),
        lit=lit,
    )


WALL_COLOURS: Final[dict[str, Triples]] = {
    "brick": (
        (152, 78, 60), (170, 96, 70), (128, 68, 58), (180, 124, 92), (198, 168, 130), (112, 74, 66), (206, 188, 166),
    ),
    "plaster": (
        (234, 222, 198), (228, 200, 156), (216, 180, 152), (192, 206, 202), (222, 192, 182), (202, 212, 192),
        (238, 234, 224), (200, 154, 112), (174, 188, 200), (226, 206, 136), (184, 112, 92), (150, 168, 150),
    ),
    "stone": ((198, 186, 162), (174, 168, 156), (210, 198, 178), (152, 148, 142), (188, 164, 130)),
    "boards": ((166, 64, 52), (228, 224, 212), (122, 142, 152), (98, 116, 104), (208, 184, 128), (88, 92, 98)),
    "panels": ((208, 210, 208), (154, 160, 164), (228, 226, 222), (124, 116, 110), (186, 164, 144), (98, 108, 118)),
}  # fmt: skip
ROOF_COLOURS: Final[dict[str, Triples]] = {
    "tiles": ((172, 92, 66), (152, 78, 60), (188, 116, 84), (122, 74, 62), (134, 100, 78)),
    "slates": ((90, 96, 106), (106, 108, 112), (76, 80, 88), (104, 98, 96)),
    "metal": ((118, 146, 138), (122, 128, 134), (98, 76, 68)),
}
TRIMS: Final[Triples] = ((240, 236, 226), (216, 206, 188), (230, 224, 212), (186, 176, 160), (112, 102, 94))
FRAMES: Final[Triples] = ((242, 240, 234), (234, 226, 208), (50, 68, 58), (86, 60, 46), (60, 64, 68), (112, 50, 44))
ACCENTS: Final[Triples] = (
    (44, 78, 70), (124, 44, 40), (42, 62, 96), (96, 66, 46), (62, 62, 66), (172, 134, 78), (98, 124, 132), (64, 98, 74),
)  # fmt: skip
AWNINGS: Final[Triples] = ((150, 52, 46), (46, 88, 72), (48, 72, 112), (190, 150, 80), (120, 120, 124))
IRON: Final = (44, 44, 48)

# style -> its wall materials and roof materials, with weights
MATERIALS: Final[dict[StyleName, tuple[dict[str, float], dict[str, float]]]] = {
    "row": ({"brick": 0.6, "plaster": 0.4}, {"tiles": 0.6, "slates": 0.4}),
    "townhouse": ({"stone": 0.5, "plaster": 0.3, "brick": 0.2}, {"slates": 0.7, "metal": 0.3}),
    "shop": ({"plaster": 0.6, "brick": 0.4}, {"tiles": 0.8, "slates": 0.2}),
    "modern": ({"panels": 0.6, "brick": 0.2, "plaster": 0.2}, {"metal": 1.0}),
    "cottage": ({"boards": 0.5, "plaster": 0.2, "stone": 0.15, "brick": 0.15}, {"tiles": 0.6, "slates": 0.4}),
    "church": ({"stone": 0.6, "brick": 0.3, "plaster": 0.1}, {"slates": 0.5, "metal": 0.2, "tiles": 0.3}),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """Materials and colours of one house.

    Attributes:
        wall: Name of the wall's material.
        wall_colour: Its colour.
        roof: Name of the roof's material.
        roof_colour: Its colour.
        trim: Colour of cornices, sills and surrounds.
        frame: Colour of the window frames.
        door: Colour of the door.
        shutter: Colour of the shutters.
        bars: How window panes are divided: (upright bars, cross bars).
        surround: Whether windows have a raised border.
        curtains: Share of windows with curtains.
        corners: Whether the house's corners show large stones.
        plinth: Whether its foot is of stone.
        ironwork: Whether balconies have railings that one sees through.
    """

    wall: str
    wall_colour: Floats
    roof: str
    roof_colour: Floats
    trim: Floats
    frame: Floats
    door: Floats
    shutter: Floats
    bars: tuple[int, int]
    surround: bool
    curtains: float
    corners: bool
    plinth: bool
    ironwork: bool


def draw_scheme(rng: Random, style: StyleName) -> Scheme:
    """Draw what a house of a style is made of."""
    walls, roofs = MATERIALS[style]
    wall, roof = _weighted(rng, walls), _weighted(rng, roofs)
    modern, door = style == "modern", _one_of(rng, ACCENTS)
    divisions = ((1, 0), (0, 0), (2, 0)) if modern else ((1, 1), (1, 2), (1, 0), (2, 3), (0, 1))
    return Scheme(
        wall=wall,
        wall_colour=_one_of(rng, WALL_COLOURS[wall]),
        roof=roof,
        roof_colour=_one_of(rng, ROOF_COLOURS[roof]),
        trim=_one_of(rng, TRIMS),
        frame=_one_of(rng, FRAMES[2:] if modern else FRAMES),
        door=door,
        shutter=door if rng.random() < 0.5 else _one_of(rng, ACCENTS),
        bars=divisions[rng.integers(len(divisions))],
        surround=not modern and bool(rng.random() < 0.6),
        curtains=rng.uniform(0.1, 0.8),
        corners=style in {"row", "townhouse", "shop"} and bool(rng.random() < 0.35),
        plinth=bool(rng.random() < 0.5),
        ironwork=not modern or bool(rng.random() < 0.4),
    )


def _one_of(rng: Random, list_: Triples) -> Floats:
    return _near(rng, list_[rng.integers(len(list_))], 0.035)


def _near(rng: Random, rgb: tuple[int, int, int], spread: float) -> Floats:
    """A colour near `rgb`: mostly lighter or darker, a little of another hue."""
    draw = rng.random(4, np.float32) * np.float32(2 * spread) - np.float32(spread)
    change: Floats = draw[0] + draw[1:] / np.float32(3)
    return colour(*rgb) + change[:, None, None]


def _weighted(rng: Random, weights: dict[str, float]) -> str:
    return list(weights)[rng.choice(len(weights), p=list(weights.values()))]
