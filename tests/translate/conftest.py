"""A catalogue with the built-ins and the throw-away components of tests/support/toys.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from pipelines import Tried, change
from toy_runs import toy_manager

from translate.components import Catalogue
from translate.pipeline import load_pipeline
from translate.pipeline.building import build
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.game import Game
from translate.specs import Image, Spec
from translate.training.engine import Engine
from translate.training.turns import LatentSource, TurnRunner

FIELDS: dict[str, Spec] = {"source": Image(1, 4, 4), "target": Image(1, 4, 4)}


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return toy_manager().catalogue


class Table:
    """A game in float64 with plain SGD, its batches, and one iteration at a time."""

    def __init__(self, game: Game, *, batch: int = 4, accumulate: int = 1, lr: float = 0.1, keep: bool = True) -> None:
        self.game = game
        for network in game.networks.values():
            network.double().train()
        self.batch = batch
        self.generator = torch.Generator().manual_seed(7)
        self.batches: list[dict[str, torch.Tensor]] = []
        self.latents: dict[tuple[str | int, ...], torch.Tensor] = {}
        self.runners: dict[int, TurnRunner] = {}
        self.lr, self.accumulate, self.keep = lr, accumulate, keep

    def runner(self, phase: int = 0) -> TurnRunner:
        if phase not in self.runners:
            evaluator = Evaluator(self.game, phase, keep_graphs=self.keep and self.accumulate == 1)
            turns = self.game.pipeline.phases[phase].turns
            optimizers = {
                name: torch.optim.SGD([p for n in turn.learn for p in self.game.trainable[n]], lr=self.lr)
                for name, turn in turns.items()
            }
            source = _Doubles(self.game, 0, self.batch, torch.device("cpu"))
            source.drawn = self.latents
            self.runners[phase] = TurnRunner(
                evaluator, Engine(device="cpu"), optimizers, self.next_batch, source, self.accumulate
            )
        return self.runners[phase]

    def next_batch(self) -> Mapping[str, torch.Tensor]:
        shapes = {name: spec.shape for name, spec in self.game.fields.items()}
        batch = {
            name: torch.rand(self.batch, *shape, generator=self.generator, dtype=torch.float64) * 2 - 1
            for name, shape in shapes.items()
        }
        self.batches.append(batch)
        return batch


class _Doubles(LatentSource):
    def sample(self, name: str, draw: int, again: int = 0) -> torch.Tensor:
        key = (name, draw, again) if again else (name, draw)
        self.drawn[key] = super().sample(name, draw, again).double()
        return self.drawn[key]


@pytest.fixture
def table(catalogue: Catalogue) -> Callable[..., Table]:
    """Build a table from the sections of a pipeline; optimisers are SGD with the pipeline's lr of 0.1."""

    def make(document: Mapping[str, Any], overrides: Sequence[str] = (), **options: Any) -> Table:
        base = {
            "data": {"dataset": "toy_data", "image_size": 4},
            "training": {"batch_size": 4, "optimizers": {s: {"name": "sgd", "lr": 0.1} for s in _sides(document)}},
        }
        merged = {**base, **document, "training": {**base["training"], **document.get("training", {})}}
        pipeline = load_pipeline(merged, overrides, catalogue=catalogue)
        return Table(build(pipeline, FIELDS, catalogue=catalogue), **options)

    return make


def _sides(document: Mapping[str, Any]) -> list[str]:
    kinds = {kind for network in document["networks"].values() for kind in network}
    sides = {"generator": "generators", "discriminator": "discriminators"}
    return [side for kind, side in sides.items() if kind in kinds]


@pytest.fixture
def load(catalogue: Catalogue, tmp_path: Path) -> Callable[..., Tried]:
    """Load the small pipeline of tests/support/pipelines.py with texts replaced; `whole` also checks shapes."""

    def tried(*pairs: tuple[str, str], overrides: Sequence[str] = (), whole: bool = False) -> Tried:
        return Tried(change(*pairs), tmp_path, catalogue, overrides, whole=whole)

    return tried
