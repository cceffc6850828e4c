"""The states of a process's global random generators as plain values."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch

_WORDS: Final = 624  # of the Mersenne Twister that all three have on the CPU
_TORCH_BYTES: Final = 5056
_TORCH_PLACE: Final = struct.Struct("<8xi4xQ")  # in torch's state: how many words are left, which one is next


def rng_state() -> dict[str, Any]:
    """The states of the generators that `translate.generators.seed_all` seeds, as tensors and plain numbers."""
    version, words, gauss = random.getstate()
    legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    cuda: Any = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and _cuda_started() else []
    return {
        "python": {"version": version, "words": torch.tensor(words, dtype=torch.int64), "gauss": gauss},
        "numpy": {
            "key": torch.from_numpy(legacy["state"]["key"].astype(np.int64)),
            "pos": int(legacy["state"]["pos"]),
            "has_gauss": int(legacy["has_gauss"]),
            "gauss": float(legacy["gauss"]),
        },
        "torch": torch.get_rng_state(),
        "cuda": list(cuda),
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def _cuda_started() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def set_rng_state(state: Mapping[str, Any]) -> None:
    """Go on from what `rng_state` returned; states of devices that are not here are left out.

    Raises:
        ValueError: It is no such state. Neither numpy nor torch looks at all of what it is given, and a place that is
            outside a generator's words would be read there.
        LookupError, TypeError, ArithmeticError, RuntimeError: It is none either: found by a generator itself.
    """
    _check(state)
    python, legacy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["words"].tolist()), python["gauss"]))
    np.random.set_state(  # noqa: NPY002
        {
            "bit_generator": "MT19937",
            "state": {"key": legacy["key"].cpu().numpy().astype(np.uint32), "pos": legacy["pos"]},
            "has_gauss": legacy["has_gauss"],
            "gauss": legacy["gauss"],
        }
    )
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available():
        for index, words in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(words.cpu(), index)
    if state.get("mps") is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"].cpu())


def _check(state: Mapping[str, Any]) -> None:
    """Look at all that the generators themselves do not look at.

    Raises:
        ValueError: It is not what `rng_state` returns.
    """
    python, legacy = state["python"], state["numpy"]
    gauss = python["gauss"]
    _require("python.words", _is_words(python["words"], _WORDS + 1))
    _require("python.gauss", gauss is None or (type(gauss) is float and math.isfinite(gauss)))
    _require("numpy.key", _is_words(legacy["key"], _WORDS))
    _require("numpy.pos", type(legacy["pos"]) is int and 0 <= legacy["pos"] <= _WORDS)
    _require("numpy.has_gauss", type(legacy["has_gauss"]) is int and legacy["has_gauss"] in {0, 1})
    _require("numpy.gauss", type(legacy["gauss"]) is float and math.isfinite(legacy["gauss"]))
    _require("torch", _is_bytes(state["torch"]))
    if state["torch"].numel() == _TORCH_BYTES:  # else torch refuses it
        left, following = _TORCH_PLACE.unpack_from(state["torch"].cpu().numpy().tobytes())
        _require("torch", 1 <= left <= _WORDS and following + left <= _WORDS + 1)
    _require("cuda", isinstance(state["cuda"], list) and all(map(_is_bytes, state["cuda"])))
    _require("mps", state.get("mps") is None or _is_bytes(state["mps"]))


def _require(name: str, holds: bool) -> None:
    if not holds:
        msg = f"the state of a random generator is none: {name}"
        raise ValueError(msg)


def _is_words(value: Any, count: int) -> bool:
    """Whether these are so many numbers of 32 bits."""
    is_vector = isinstance(value, torch.Tensor) and value.dtype == torch.int64 and value.shape == (count,)
    return is_vector and bool(((value >= 0) & (value < 2**32)).all())


def _is_bytes(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.uint8 and value.ndim == 1
