"""Drawing latents by the law that an exported file states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from translate.errors import ModelFileError

Array = np.ndarray[Any, np.dtype[Any]]


def draw(law: Mapping[str, Any], shape: Sequence[int], dtype: str, indices: Sequence[int], seed: int) -> Array:
    """Draw one value for each index; it depends on (seed, index) alone, not on how examples are batched.

    Args:
        law: `{"name": "normal"}`, `{"name": "uniform", "low": a, "high": b}`, or
            `{"name": "categorical", "classes": n, "one_hot": bool}`.
        shape: Of one example.
        dtype: float32 or int64.
        indices: Numbers of the examples.
        seed: Not negative.

    Raises:
        ModelFileError: The law is unknown.
    """
    return np.stack([_one(law, shape, np.random.default_rng([seed, index])) for index in indices]).astype(dtype)


def _one(law: Mapping[str, Any], shape: Sequence[int], generator: np.random.Generator) -> Any:
    name = law.get("name")
    if name == "normal":
        return generator.standard_normal(tuple(shape))
    if name == "uniform":
        return generator.uniform(float(law.get("low", -1.0)), float(law.get("high", 1.0)), tuple(shape))
    if name == "categorical" and isinstance(law.get("classes"), int):
        drawn = generator.integers(law["classes"])
        return np.eye(law["classes"])[drawn] if law.get("one_hot", True) else drawn
    raise ModelFileError(
        f"latents of the law {dict(law)!r} cannot be drawn here", fix="give the latent's values yourself"
    )
