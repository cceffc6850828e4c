"""Specs: what a named tensor is, without the tensor.

A spec travels through a pipeline's expressions so that channels, sizes and class counts are never written twice.
All shapes are given without the batch dimension. This module imports nothing heavy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Spec:
    """Base of all specs. A new kind of field is a frozen dataclass that derives from this and gives `shape`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch dimension."""
        raise NotImplementedError

    @property
    def dtype(self) -> str:
        """Name of the torch dtype."""
        return "float32"

    def as_dict(self) -> dict[str, Any]:
        """The spec as plain data, for manifests and metadata."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"kind": type(self).__name__, **values}


@dataclass(frozen=True, slots=True)
class Image(Spec):
    """A picture, N x channels x height x width, float, values in [low, high].

    Attributes:
        channels: Number of channels, at least 1.
        height: Height in pixels.
        width: Width in pixels.
        low: Smallest value; the value of black.
        high: Largest value; the value of full intensity.
        bits: Depth of the stored integers that the values come from, 8 or 16: what an exported file takes and gives.
    """

    channels: int
    height: int
    width: int
    low: float = -1.0
    high: float = 1.0
    bits: int = 8

    def __post_init__(self) -> None:
        """Refuse other depths."""
        if self.bits not in {8, 16}:
            msg = f"bits must be 8 or 16 (got {self.bits})"
            raise ValueError(msg)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return (self.channels, self.height, self.width)

    def __str__(self) -> str:
        depth = "" if self.bits == 8 else f", {self.bits} bits"
        return f"Image({self.channels}x{self.height}x{self.width} in [{self.low:g}, {self.high:g}]{depth})"


@dataclass(frozen=True, slots=True)
class Vector(Spec):
    """A vector, N x size, float."""

    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(size,)."""
        return (self.size,)

    def __str__(self) -> str:
        return f"Vector({self.size})"


@dataclass(frozen=True, slots=True)
class Label(Spec):
    """A class index, N, int64, in [0, classes)."""

    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """()."""
        return ()

    @property
    def dtype(self) -> str:
        """int64."""
        return "int64"

    def __str__(self) -> str:
        return f"Label({self.classes})"


@dataclass(frozen=True, slots=True)
class Scalar(Spec):
    """One number for the whole batch, such as the value of a schedule. Passed as a Python float.

    Attributes:
        final: Of a schedule, its value at the end of the training; no part of what makes two specs equal. None where it
            is not known.
    """

    final: float | None = field(default=None, compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """()."""
        return ()

    def __str__(self) -> str:
        return "Scalar"


@dataclass(frozen=True, slots=True)
class Tensor(Spec):
    """Any other tensor, described by its shape alone."""

    size: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The size as given."""
        return self.size

    def __str__(self) -> str:
        return f"Tensor({'x'.join(map(str, self.size))})"


@dataclass(frozen=True, slots=True)
class Several(Spec):
    """A list of values, such as feature maps of several layers, each with its own spec.

    Attributes:
        parts: The specs in order; may hold lists in turn.
    """

    parts: tuple[Spec, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """(); the parts have shapes."""
        return ()

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.parts))}]"
