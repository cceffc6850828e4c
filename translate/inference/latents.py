"""Drawing latents by the law that an exported file states."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from translate.errors import ModelFileError

Array = np.ndarray[Any, np.dtype[Any]]


def draw(
    law: Mapping[str, Any], shape: Sequence[int], dtype: str, indices: Sequence[int], seed: int, *, name: str
) -> Array:
    """Draw one value for each index; it depends on (seed, index, name) alone, not on how examples are batched.

    The name is in it so that two latents of one law are independent of each other.

    Args:
        law: `{"name": "normal", "std": s}`, `{"name": "hypersphere", "radius": r}`,
            `{"name": "uniform", "low": a, "high": b}`,
            `{"name": "categorical", "classes": n, "one_hot": bool}`, or `{"name": "constant", "value": v}`.
        shape: Of one example.
        dtype: float32 or int64.
        indices: Numbers of the examples.
        seed: Not negative.
        name: The latent's.

    Raises:
        ModelFileError: The law is unknown.
    """
    key = zlib.crc32(name.encode())
    drawn = [_one(law, shape, np.random.default_rng([seed, index, key])) for index in indices]
    return np.stack(drawn).astype(dtype)


def _one(law: Mapping[str, Any], shape: Sequence[int], generator: np.random.Generator) -> Any:
    name = law.get("name")
    if name == "normal":
        return float(law.get("std", 1.0)) * generator.standard_normal(tuple(shape))
    if name == "hypersphere" and isinstance(law.get("radius"), int | float):
        drawn = generator.standard_normal(tuple(shape))
        return float(law["radius"]) * drawn / np.linalg.norm(drawn)
    if name == "uniform":
        return generator.uniform(float(law.get("low", -1.0)), float(law.get("high", 1.0)), tuple(shape))
    if name == "categorical" and isinstance(law.get("classes"), int):
        drawn = generator.integers(law["classes"])
        return np.eye(law["classes"])[drawn] if law.get("one_hot", True) else drawn
    if name == "constant" and isinstance(law.get("value"), int | float):
        return np.full(tuple(shape), float(law["value"]))
    raise ModelFileError(
        f"latents of the law {dict(law)!r} cannot be drawn here", fix="give the latent's values yourself"
    )
