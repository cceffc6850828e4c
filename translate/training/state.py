"""What a training saves and how it goes on: everything that has a state, for every process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from translate.errors import PluginError
from translate.optimizers import load_optimizer_state, optimizer_state
from translate.pipeline.merging import MISSING
from translate.pipeline.private import without_paths
from translate.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from translate.training.opening import fitting_together, load_networks
from translate.training.run import CHECKPOINTS

if TYPE_CHECKING:
    from translate.training.loop import Trainer

log = logging.getLogger(__name__)


def save(trainer: Trainer, step: int) -> Path:
    """Save a checkpoint; all processes call it together.

    Returns:
        The checkpoint's folder.

    Raises:
        NumbersError: A weight is not finite; what was to be saved is kept aside, the checkpoints before as they were.
        PluginError: A component has a state that cannot be saved.
        MachineError: The disk is full or rights are missing; the checkpoints before are as they were.
    """
    engine, game = trainer.engine, trainer.game
    with engine.together():
        trainer.kept.check()
    own = {
        # On the host: another process would put them on this one's device.
        "sites": {
            key: {n: v.cpu() if isinstance(v, torch.Tensor) else v for n, v in module.state_dict().items()}
            for key, module in game.sites.items()
        },
        "rng": engine.rng_state(),
        "bad_images": _below_root(trainer, trainer.stream.bad.state_dict()),
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
        "examples": trainer.examples,
        "phase": trainer.phase,
        "optimizers": {name: optimizer_state(optimizer) for name, optimizer in trainer.optimizers.items()},
        "ema": trainer.ema.state_dict() if trainer.ema else None,
        "engine": engine.state_dict(),
        "ranks": ranks,
    }
    try:
        save_checkpoint(folder, step, weights=weights, state=state, metadata=_metadata(trainer))
    except TypeError as exc:
        raise PluginError(
            f"a component has a state that cannot be saved: {exc}",
            where=str(folder),
            fix="tensors, numbers, texts and lists and dicts of them can be; report this to the component's authors",
        ) from exc
    prune_checkpoints(folder, trainer.pipeline.training.keep_checkpoints)


def _metadata(trainer: Trainer) -> dict[str, Any]:
    return {
        "pipeline": without_paths(trainer.pipeline.resolved, trainer.pipeline.dataset),
        "name": trainer.pipeline.name,
        "fields": {name: spec.as_dict() for name, spec in trainer.stream.fields.items()},
        "run": {key: value for key, value in trainer.description.items() if key != "command"},
        **_circumstances(trainer),
        **({"rescued": True} if trainer.rescued else {}),
    }


def _circumstances(trainer: Trainer) -> dict[str, Any]:
    """What else must be equal for equal bits."""
    return {
        "threads": torch.get_num_threads(),
        "world_size": trainer.engine.world_size,
        "device": trainer.engine.device.type,
    }


def _versions(description: Mapping[str, Any]) -> dict[str, Any]:
    own = {"python": description.get("python"), "translate": description.get("translate")}
    return own | dict(description.get("versions") or {})


def _changed(checkpoint: Checkpoint, trainer: Trainer) -> list[str]:
    """Why a run that goes on does not give the bits that it would have given; nothing where it does."""
    before = {**checkpoint.metadata, **_versions(checkpoint.metadata.get("run") or {})}
    now = {**_circumstances(trainer), **_versions(trainer.description)}
    found = [f"{key} {before.get(key)} -> {value}" for key, value in now.items() if before.get(key) != value]
    return [*found, "it was saved after an iteration that failed half-way"] if before.get("rescued") else found


def resume(trainer: Trainer) -> Checkpoint | None:
    """Go on from the newest intact checkpoint, if there is one.

    The state of the random generators comes last: see `restore_random`.
    """
    path = latest_checkpoint(trainer.folder / CHECKPOINTS, warn=log.warning)
    if path is None:
        return None
    checkpoint = load_checkpoint(path)
    with fitting_together(path):
        _restore(trainer, checkpoint)
    changed = _changed(checkpoint, trainer)
    if changed and trainer.engine.is_main:
        log.warning("not bit-identical: %s", ", ".join(changed))
    return checkpoint


def _restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    state: Any = checkpoint.state
    load_networks(trainer.game, checkpoint)
    trainer.draws = int(state["draws"])
    # Checkpoints of earlier versions lack it; in these all batches had one size.
    trainer.examples = int(state.get("examples", trainer.draws * trainer.pipeline.training.batch_size))
    if trainer.ema is not None:
        trainer.ema.load_state_dict(state["ema"] or {"updates": 0}, checkpoint.weights)
    trainer.engine.load_state_dict(state["engine"])
    trainer.set_optimizers(int(state["phase"]))
    for name, saved in state["optimizers"].items():
        load_optimizer_state(trainer.optimizers[name], saved)
    for rank in state["ranks"]:  # checkpoints of earlier versions lack it
        for where, what in _in_root(trainer, rank.get("bad_images", {})).items():
            trainer.stream.bad.found.setdefault(where, what)
    _restore_sites(trainer, _of_this_process(trainer, checkpoint)["sites"])


def _below_root(trainer: Trainer, texts: Mapping[str, str]) -> dict[str, str]:
    """Names of files and what is said of them, without the place of the data: a checkpoint leaves the house."""
    root = str(trainer.pipeline.dataset.choices.get("root") or MISSING)
    hidden = {where.replace(root, MISSING): what.replace(root, MISSING) for where, what in texts.items()}
    return {where if where.startswith(MISSING) else Path(where).name: what for where, what in hidden.items()}


def _in_root(trainer: Trainer, texts: Mapping[str, str]) -> dict[str, str]:
    root = str(trainer.pipeline.dataset.choices.get("root") or MISSING)
    return {where.replace(MISSING, root): what.replace(MISSING, root) for where, what in texts.items()}


def restore_random(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Put the random generators back, right before the first iteration: what is done until then may use numbers."""
    with fitting_together(checkpoint.path):
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
