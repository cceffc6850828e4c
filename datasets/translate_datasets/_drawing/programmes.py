"""The kinds of houses: what each may have, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from translate_datasets._drawing.scene import RoofKind, StyleName

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """What houses of a style look like: ranges to draw from, and probabilities."""

    roofs: tuple[RoofKind, ...]
    storey: Range
    bay: Range
    window: Range = (0.40, 0.60)
    tall: Range = (0.50, 0.68)
    arched: float = 0.1
    shutters: float = 0.0
    balcony: float = 0.0
    shop: float = 0.0
    cornice: float = 0.5
    chimney: float = 0.4
    dormer: float = 0.3


PROGRAMMES: Final[dict[StyleName, Programme]] = {
    "row": Programme(
        roofs=("flat", "pitched", "stepped", "gable", "pitched"),
        storey=(0.15, 0.22),
        bay=(0.11, 0.17),
        shutters=0.15,
        balcony=0.15,
        shop=0.25,
        chimney=0.6,
    ),
    "townhouse": Programme(
        roofs=("mansard", "flat", "hipped", "mansard"),
        storey=(0.14, 0.19),
        bay=(0.11, 0.16),
        window=(0.36, 0.50),
        tall=(0.58, 0.74),
        arched=0.25,
        shutters=0.3,
        balcony=0.6,
        shop=0.2,
        cornice=0.95,
        dormer=0.8,
    ),
    "shop": Programme(
        roofs=("flat", "pitched", "mansard"),
        storey=(0.17, 0.24),
        bay=(0.13, 0.19),
        shutters=0.5,
        balcony=0.3,
        shop=1.0,
        cornice=0.8,
    ),
    "modern": Programme(
        roofs=("flat",),
        storey=(0.11, 0.16),
        bay=(0.13, 0.24),
        window=(0.55, 0.86),
        tall=(0.45, 0.68),
        arched=0.0,
        balcony=0.75,
        shop=0.3,
        cornice=0.3,
        chimney=0.15,
    ),
    "cottage": Programme(
        roofs=("gable", "pitched", "hipped", "gable"),
        storey=(0.20, 0.27),
        bay=(0.17, 0.24),
        window=(0.34, 0.48),
        tall=(0.40, 0.54),
        shutters=0.6,
        cornice=0.1,
        chimney=0.9,
        dormer=0.5,
    ),
    "church": Programme(
        roofs=("gable",),
        storey=(0.36, 0.48),
        bay=(0.15, 0.22),
        window=(0.28, 0.40),
        tall=(0.52, 0.68),
        arched=1.0,
        cornice=0.7,
        chimney=0.0,
        dormer=0.0,
    ),
}
