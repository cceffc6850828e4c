"""A new run that begins where another one stands, with other settings if that is wanted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.errors import ModelFileError, UsageError
from translate.optimizers import take_over_moments
from translate.training.checkpoint import Checkpoint, load_checkpoint
from translate.training.opening import find_checkpoint, fit, fitting_together, folder_of_run, run_description
from translate.training.state import counted, restore_averages, restore_histories, restore_place

if TYPE_CHECKING:
    from translate.training.loop import Trainer

log = logging.getLogger(__name__)


def fork(trainer: Trainer, source: Path) -> Checkpoint:
    """Take over what another run has learnt, its place in the data, and its random numbers where the seed is the same.

    Without any change it goes on bit for bit as that run would have. All settings are the new run's; a network
    that was not there, an optimiser whose kind or networks are others, and an average that was not kept begin anew.

    Args:
        trainer: Of the new run, which has no checkpoint yet.
        source: The other run's folder (its newest checkpoint), or one of its checkpoints.

    Raises:
        UsageError: There is nothing, or nothing is left to train.
        ModelFileError: The checkpoint is damaged, or its networks have other weights; names the first differences.
    """
    path = find_checkpoint(source)
    checkpoint = load_checkpoint(path)
    steps = trainer.pipeline.training.steps
    if checkpoint.step >= steps:
        raise UsageError(
            f"step {checkpoint.step} is done there, and training.steps is {steps}",
            where=str(path),
            fix=f"give training.steps, which counts from the other run's beginning, such as "
            f"training.steps={checkpoint.step + steps}",
        )
    with fitting_together(path):
        _take_over(trainer, checkpoint)
    run = folder_of_run(path)
    trainer.description["forked"] = {"run": run.name if run else "", "step": checkpoint.step}
    _say(trainer, f"begins where step {checkpoint.step} of {path} stands")
    return checkpoint


def origin(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a run's description says of where it was forked, kept for as long as it goes on."""
    forked = run_description(checkpoint).get("forked")
    if forked is None:
        return {}
    with fitting_together(checkpoint.path):
        return {"forked": {"run": str(forked["run"]), "step": counted(forked["step"], "forked.step")}}


def same_seed(trainer: Trainer, checkpoint: Checkpoint) -> bool:
    """Whether the random numbers of a checkpoint are those that a run's seed leads to."""
    with fitting_together(checkpoint.path):
        before: Any = checkpoint.metadata.get("pipeline") or {}
        return bool(before.get("training", {}).get("seed") == trainer.pipeline.training.seed)


def _take_over(trainer: Trainer, checkpoint: Checkpoint) -> None:
    state: Any = checkpoint.state
    _take_networks(trainer, checkpoint)
    if trainer.ema is not None and trainer.ema.weights().keys() <= checkpoint.weights.keys():
        restore_averages(trainer.ema, checkpoint)
    restore_place(trainer, checkpoint)
    phase = trainer.pipeline.phase_at(max(checkpoint.step - 1, 0))
    trainer.set_optimizers(phase)
    for name in trainer.optimizers.keys() & state["optimizers"].keys():
        settings = trainer.pipeline.phases[phase].optimizers[name]
        try:
            take_over_moments(
                trainer.optimizers[name],
                state["optimizers"][name],
                {"name": settings.name, **settings.parameters},
            )
        except ValueError as exc:
            _say(trainer, f"the optimiser of '{name}' begins anew: {exc}")
    restore_histories(trainer, checkpoint)


def _take_networks(trainer: Trainer, checkpoint: Checkpoint) -> None:
    networks = trainer.game.networks
    there = {name for name in checkpoint.weights if not name.startswith("ema/")}
    if not there & networks.keys():
        raise ModelFileError(
            f"none of the networks {', '.join(sorted(networks))} is there, only {', '.join(sorted(there))}",
            where=str(checkpoint.path),
        )
    for name in networks:
        if name in there:
            fit(trainer.game, name, checkpoint.weights[name], checkpoint.path)
        else:
            _say(trainer, f"network '{name}' is not there and begins anew")


def _say(trainer: Trainer, text: str) -> None:
    if trainer.engine.is_main:
        log.warning(text)
