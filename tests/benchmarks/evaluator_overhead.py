"""What the evaluator itself costs: pix2pix's iteration with networks of nothing, against the same calls by hand.

    python tests/benchmarks/evaluator_overhead.py

Prints the medians over interleaved rounds. The networks return a constant, so that only the walk is timed: looking
values up, switching what learns, weighing and adding the terms. Backward and optimiser steps are left out.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import toys

from translate.pipeline import load_pipeline
from translate.pipeline.building import build
from translate.pipeline.evaluating import Evaluator
from translate.plugin_manager import PluginManager
from translate.specs import Image

DOCUMENT = {
    "data": {"dataset": "toy_data", "image_size": 4},
    "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
    "flow": {"fake": "G(source)"},
    "losses": {
        "adversarial": {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"},
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 100},
    },
}


class Nothing(nn.Module):
    """Returns a constant."""

    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.value = value

    def forward(self, *_: torch.Tensor) -> torch.Tensor:
        return self.value


def main(rounds: int = 30, repeats: int = 300) -> None:
    """Time both sides in turn."""
    manager = PluginManager()
    manager.load_entry_points()
    manager.register(toys.Plugin(), name="toys")
    pipeline = load_pipeline(DOCUMENT, catalogue=manager.catalogue)
    game = build(pipeline, {"source": Image(1, 4, 4), "target": Image(1, 4, 4)}, catalogue=manager.catalogue)
    game.networks = {"G": Nothing(torch.zeros(1, 1, 4, 4)), "D": Nothing(torch.zeros(1, 1))}
    game.own()
    G, D = game.networks["G"], game.networks["D"]
    constant = torch.zeros(())
    evaluator = Evaluator(game)
    evaluator._functions = {  # losses of nothing too
        "adversarial": {
            "discriminator": (lambda real, fake: constant, ("real", "fake")),
            "generator": (lambda fake: constant, ("fake",)),
        },
        "reconstruction": {"both": (lambda of, to: constant, ("of", "to"))},
    }
    evaluator._plans.clear()
    batch = {"source": torch.zeros(1, 1, 4, 4), "target": torch.zeros(1, 1, 4, 4)}

    def walked() -> None:
        for turn in evaluator.sequence(0):
            if turn.begins_draw:
                draw = evaluator.begin(batch, 0, None)  # type: ignore[arg-type]
            evaluator.run_turn(draw, turn.turn, turn.following)
            evaluator.finish_turn(draw, turn.turn)

    def by_hand() -> None:
        a, b = batch["source"], batch["target"]
        G.weight.requires_grad_(True)
        D.weight.requires_grad_(True)
        fake = G(a)
        D(a, b), D(a, fake.detach())
        constant.detach()
        D.weight.requires_grad_(False)
        D(a, fake)
        constant + constant * 100.0
        constant.detach(), constant.detach()

    times: dict[str, list[float]] = {"evaluator": [], "by hand": []}
    for _ in range(rounds):
        for name, function in (("evaluator", walked), ("by hand", by_hand)):
            begun = time.perf_counter()
            for _ in range(repeats):
                function()
            times[name].append((time.perf_counter() - begun) / repeats * 1e6)
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:10} {value:8.1f} microseconds an iteration (least {min(times[name]):.1f})")
    print(f"difference {medians['evaluator'] - medians['by hand']:8.1f} microseconds")


if __name__ == "__main__":
    main()
