"""The form of a latent: a vector, or a map like an image."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from translate import Spec, Tensor, Vector

Count = Annotated[int, Field(ge=1)]
Size = Count | Annotated[list[Count], Field(min_length=3, max_length=3)]


def spec_of(size: int | list[int]) -> Spec:
    """A vector for one number, a map of channels x height x width for three."""
    return Vector(size) if isinstance(size, int) else Tensor(tuple(size))
