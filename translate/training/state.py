"""What a training saves and how it goes on: everything that has a state, for every process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from translate.optimizers import load_optimizer_state, optimizer_state
from translate.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from translate.training.opening import load_networks
from translate.training.run import CHECKPOINTS

if TYPE_CHECKING:
    from translate.training.loop import Trainer

log = logging.getLogger(__name__)


def save(trainer: Trainer, step: int) -> Path:
    """Save a checkpoint; all processes call it together.

    Returns:
        The checkpoint's folder.

    Raises:
        NumbersError: A weight is not finite; nothing is written.
        MachineError: The disk is full or rights are missing; the checkpoints before are as they were.
    """
    engine, game = trainer.engine, trainer.game
    own = {
        # On the host: another process would put them on this one's device.
        "sites": {
            key: {name: value.cpu() for name, value in module.state_dict().items()}
            for key, module in game.sites.items()
        },
        "rng": engine.rng_state(),
    }
    ranks = engine.gather_objects(own)
    folder = trainer.folder / CHECKPOINTS
    with engine.together():
        if engine.is_main:
            _write(trainer, step, ranks)
    return folder / f"{step:06d}"


def _write(trainer: Trainer, step: int, ranks: list[Any]) -> None:
    engine, game, folder = trainer.engine, trainer.game, trainer.folder / CHECKPOINTS
    weights = {name: dict(network.state_dict()) for name, network in game.networks.items()}
    if trainer.ema is not None:
        weights |= trainer.ema.weights()
    state = {
        "draws": trainer.draws,
        "phase": trainer.phase,
        "optimizers": {name: optimizer_state(optimizer) for name, optimizer in trainer.optimizers.items()},
        "ema": trainer.ema.state_dict() if trainer.ema else None,
        "engine": engine.state_dict(),
        "ranks": ranks,
    }
    save_checkpoint(folder, step, weights=weights, state=state, metadata=_metadata(trainer))
    prune_checkpoints(folder, trainer.pipeline.training.keep_checkpoints)


def _metadata(trainer: Trainer) -> dict[str, Any]:
    return {
        "pipeline": dict(trainer.pipeline.resolved),
        "name": trainer.pipeline.name,
        "fields": {name: spec.as_dict() for name, spec in trainer.stream.fields.items()},
        "run": {key: value for key, value in trainer.description.items() if key != "command"},
        **_circumstances(trainer),
    }


def _circumstances(trainer: Trainer) -> dict[str, Any]:
    """What else must be equal for equal bits."""
    return {
        "threads": torch.get_num_threads(),
        "world_size": trainer.engine.world_size,
        "device": trainer.engine.device.type,
    }


def resume(trainer: Trainer) -> Checkpoint | None:
    """Go on from the newest intact checkpoint, if there is one.

    The state of the random generators comes last: see `restore_random`.
    """
    path = latest_checkpoint(trainer.folder / CHECKPOINTS, warn=log.warning)
    if path is None:
        return None
    checkpoint = load_checkpoint(path)
    state: Any = checkpoint.state
    load_networks(trainer.game, checkpoint)
    trainer.draws = int(state["draws"])
    if trainer.ema is not None:
        trainer.ema.load_state_dict(state["ema"] or {"updates": 0}, checkpoint.weights)
    trainer.engine.load_state_dict(state["engine"])
    trainer.set_optimizers(int(state["phase"]))
    for name, saved in state["optimizers"].items():
        load_optimizer_state(trainer.optimizers[name], saved)
    _restore_sites(trainer, _of_this_process(trainer, checkpoint)["sites"])
    now = _circumstances(trainer)
    changed = [f"{key} {checkpoint.metadata.get(key)} -> {value}" for key, value in now.items()
               if checkpoint.metadata.get(key) != value]  # fmt: skip
    if changed and trainer.engine.is_main:
        log.warning("goes on, but not bit for bit as it would have: %s", ", ".join(changed))
    return checkpoint


def restore_random(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Put the random generators back, right before the first iteration: what is done until then may use numbers."""
    trainer.engine.set_rng_state(_of_this_process(trainer, checkpoint)["rng"])


def _of_this_process(trainer: Trainer, checkpoint: Checkpoint) -> dict[str, Any]:
    state: Any = checkpoint.state
    ranks: list[dict[str, Any]] = state["ranks"]
    return ranks[trainer.engine.rank % len(ranks)]


def _restore_sites(trainer: Trainer, saved: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
    for graph in trainer.game.graphs:
        for node in graph.nodes:
            if node.key in saved:
                operation: Any = trainer.game.operation(node)
                device = trainer.engine.device
                operation.load_state_dict({key: value.to(device) for key, value in saved[node.key].items()})
