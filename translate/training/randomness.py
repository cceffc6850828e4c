"""The global random generators of a process: seeding them, and their states as plain values."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_all(seed: int, rank: int = 0) -> None:
    """Seed Python, numpy's old global generator and torch (all devices).

    Args:
        seed: At least 0.
        rank: Processes get numbers that do not overlap; rank 0 gets those of the seed itself.
    """
    own = (
        seed if rank == 0 else int(np.random.SeedSequence([seed, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    )
    random.seed(own)
    np.random.seed(own % 2**32)  # noqa: NPY002 - other people's components may draw from it
    torch.manual_seed(own)


def rng_state() -> dict[str, Any]:
    """The states of the generators that `seed_all` seeds, as tensors and plain numbers."""
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
    """Go on from what `rng_state` returned; states of devices that are not here are left out."""
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
