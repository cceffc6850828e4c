"""A small training with everything that has a state, and what tests ask of what it leaves."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import toys

from translate import hookimpl
from translate.plugin_manager import PluginManager
from translate.training.checkpoint import find_checkpoints, load_checkpoint

GAME: dict[str, Any] = {
    # Augmentation, dropout, batch norm, a pool, latents, an average, two kinds of optimisers, a schedule.
    "description": "All that a checkpoint must hold.",
    "data": {"dataset": "toy_data", "image_size": 8, "transforms": ["HorizontalFlip", {"RandomCrop": 8}], "workers": 0},
    "latents": {"z": {"latent": "normal", "size": 3}},
    "networks": {
        "G": {"generator": "toy_dense", "makes": "target", "dropout": 0.5, "norm": True},
        "D": {"discriminator": "toy_dense", "dropout": 0.3},
    },
    "flow": {"fake": "G(source, z)"},
    "losses": {
        "adversarial": {
            "loss": "lsgan",
            "real": "D(noise(target, std=0.1))",
            "fake": "D(pool(noise(fake, std=0.1), size=6))",
        },
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 10},
    },
    "training": {
        "steps": 12,
        "batch_size": 4,
        "checkpoint_every": 4,
        "keep_checkpoints": 10,
        "log_every": 1,
        "preview_every": 5,
        "device": "cpu",
        "ema": {"decay": 0.9},
        "observers": ["metrics_file"],
        "optimizers": {
            "generators": {
                "name": "adam",
                "lr": {"schedule": "linear", "initial": 0.01, "final": 0.0, "start": 4, "end": 12},
            },
            "discriminators": {"name": "rmsprop", "lr": 0.003},
        },
    },
    "preview": ["source", "fake"],
}


def game(training: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The training above with other training settings, and other sections as a whole."""
    return {**GAME, **changes, "training": {**GAME["training"], **(training or {})}}


def toy_manager() -> PluginManager:
    """All that is installed, and the throw-away components of `toys`."""
    manager = PluginManager()
    manager.load_entry_points()
    manager.register(toys.Plugin(), name="toys")
    return manager


class StopAt:
    """Asks a run to stop after a step, as a signal does."""

    def __init__(self, step: int) -> None:
        self.step = step

    @hookimpl
    def translate_step_finished(self, run: object, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """All weights of a run's newest checkpoint, the averages with them, by network and name."""
    _, newest = find_checkpoints(run / "checkpoints")[-1]
    return {f"{n}/{k}": v for n, state in load_checkpoint(newest).weights.items() for k, v in state.items()}


def same(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether two sets of weights are the same ones, bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
