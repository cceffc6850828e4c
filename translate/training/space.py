"""Whether a run's checkpoints will fit on the disk, before the first step rather than at the save that fails."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from torch import Tensor

from translate.errors import MachineError
from translate.optimizers import kept_for
from translate.pipeline.game import Game
from translate.pipeline.settings import OptimizerSettings
from translate.training import files
from translate.training.checkpoint_folders import find_checkpoints

_REST: Final = 64 * 1024  # bytes of JSON and headers
_TRIAL: Final = (8, 8)


def check_space(folder: Path, game: Game, start: int) -> None:
    """Make sure that the checkpoints of a run fit beside those that are there already.

    Args:
        folder: The folder of all checkpoints of the run.
        game: Built; gives the sizes.
        start: Iterations done.

    Raises:
        MachineError: They do not fit; says what is needed and what is free.
    """
    keys = game.pipeline.training
    saves = -(-(keys.steps - start) // keys.checkpoint_every)
    there = len(find_checkpoints(folder))
    kept = 1 if keys.on_full_disk == "prune" else keys.keep_checkpoints
    # One more than are kept is there while an old one waits to be removed.
    count = max(1, min(saves, kept + 1 - there))
    size, free = checkpoint_bytes(game), files.free_bytes(folder)
    if count * size <= free:
        return
    raise MachineError(
        f"too little space: checkpoints need {count} x {in_words(size)}, {in_words(free)} are free",
        where=str(folder),
        fix=f"free some space, choose another disk with --out, or lower training.keep_checkpoints "
        f"(it is {keys.keep_checkpoints})",
    )


def checkpoint_bytes(game: Game) -> int:
    """About the size of one checkpoint: weights, averages, optimisers; histories of pictures come on top."""
    pipeline = game.pipeline
    sizes = {name: _bytes(network.state_dict().values()) for name, network in game.networks.items()}
    averages = [name for name in sizes if pipeline.training.ema and pipeline.side(name) == "generators"]
    optimizers = max(
        sum(
            _copies(phase.optimizers[name])
            * _bytes(parameter for network in turn.learn for parameter in game.trainable[network])
            for name, turn in phase.turns.items()
        )
        for phase in pipeline.phases
    )
    return sum(sizes.values()) + sum(sizes[name] for name in averages) + optimizers + _REST


def in_words(size: int) -> str:
    """A number of bytes for people."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}" if size < 100 * factor else f"{size / factor:.0f} {unit}"
    return f"{size} bytes"


def _copies(settings: OptimizerSettings) -> int:
    """How many tensors of a weight's own size an optimiser keeps for it, found by trying."""
    kept = kept_for({"name": settings.name, **settings.parameters}, _TRIAL).values()
    return sum(isinstance(value, Tensor) and value.numel() == math.prod(_TRIAL) for value in kept)


def _bytes(tensors: Iterable[object]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors if isinstance(tensor, Tensor))
