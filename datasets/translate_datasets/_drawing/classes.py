"""The classes of the label maps and their colours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

PALETTE: Final[Mapping[str, tuple[int, int, int]]] = MappingProxyType(
    {
        "sky": (110, 193, 255),
        "ground": (92, 92, 108),
        "wall": (232, 201, 143),
        "roof": (186, 52, 44),
        "window": (28, 74, 172),
        "door": (150, 48, 176),
        "cornice": (255, 250, 240),
        "balcony": (244, 132, 36),
        "chimney": (100, 44, 22),
        "shop": (22, 172, 158),
        "shutter": (246, 228, 28),
        "tree": (56, 142, 48),
        "lamp": (16, 16, 20),
    }
)
"""Colour of each class in a label map, in RGB. Any two differ by at least 80 (Euclidean)."""

CLASSES: Final[tuple[str, ...]] = tuple(PALETTE)
"""Names of the classes; a class's index is its place here."""

INDEX: Final[Mapping[str, int]] = MappingProxyType({name: index for index, name in enumerate(CLASSES)})
"""Index of each class."""

COLOURS: Final[NDArray[np.uint8]] = np.array(list(PALETTE.values()), np.uint8)
"""The palette as an array, classes x 3."""
