"""What a picture can hold: buildings, trees and lamps in unit coordinates.

The picture's height is 1, y grows downwards, x runs from 0 to the aspect ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

RoofKind = Literal["flat", "pitched", "hipped", "mansard", "gable", "stepped", "spire"]
StyleName = Literal["row", "townhouse", "shop", "modern", "cottage", "church"]


class Box(NamedTuple):
    """A rectangle: left, top, right, bottom."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Openings:
    """Windows or doors of one size in one house.

    Attributes:
        label: Their class.
        width: Width of each.
        height: Height of each.
        corners: Upper left corners.
        arched: Whether the upper end is a half circle.
        shutters: Whether a pair of open shutters flanks each.
        in_roof: Whether they are dormers.
    """

    label: Literal["window", "door"]
    width: float
    height: float
    corners: tuple[tuple[float, float], ...]
    arched: bool = False
    shutters: bool = False
    in_roof: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """One building, or one part of a building, seen from the front.

    Attributes:
        style: Its programme; decides which materials it may get.
        wall: The rectangle of the wall, without a gable's triangle.
        roof: Shape of the roof.
        apex: Height (y) of the roof's top.
        overhang: How far the roof stands out at both sides.
        storeys: Number of storeys.
        openings: Windows and doors.
        shop: The shop front.
        balconies: Balconies, railing and slab.
        cornices: Cornices and string courses.
        chimneys: Chimneys, down to where the roof hides them.
    """

    style: StyleName
    wall: Box
    roof: RoofKind
    apex: float
    overhang: float
    storeys: int
    openings: tuple[Openings, ...]
    shop: Box | None = None
    balconies: tuple[Box, ...] = ()
    cornices: tuple[Box, ...] = ()
    chimneys: tuple[Box, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A tree or a bush.

    Attributes:
        discs: The crown: overlapping discs, x, y, radius.
        trunk: The trunk, for trees.
        foot: Where it stands, x, y.
        ragged: Seed of the crown's ragged edge, which is part of the label map.
    """

    discs: tuple[tuple[float, float, float], ...]
    trunk: Box | None
    foot: tuple[float, float]
    ragged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """All that is to be drawn, from back to front."""

    aspect: float
    ground: float
    kerb: float
    houses: tuple[House, ...]
    trees: tuple[Tree, ...]
    lamps: tuple[Box, ...]
