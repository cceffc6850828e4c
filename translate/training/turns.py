"""One iteration: its draws, and its turns one after the other."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from translate.optimizers import clip_weights, set_lr
from translate.pipeline.building import Game
from translate.pipeline.compiling import scheduled
from translate.pipeline.evaluating import Draw, Evaluator
from translate.training.engine import Engine

Batch = Mapping[str, torch.Tensor]


@dataclass
class LatentSource:
    """Draws latents for the whole batch of all processes and hands out this process's share.

    What is drawn is a function of (seed, number of the draw, name) alone, so nothing has to be saved, and two processes
    see together what one would see.

    Args:
        game: Gives the latents.
        seed: The run's seed.
        count: Examples over all processes.
        rank: This process.
        world_size: Number of processes.
        device: Where to draw.
    """

    game: Game
    seed: int
    count: int
    device: torch.device
    rank: int = 0
    world_size: int = 1
    _generator: torch.Generator | None = None

    def sample(self, name: str, draw: int) -> torch.Tensor:
        """One latent of one draw."""
        if self._generator is None:
            self._generator = torch.Generator(device=self.device)
        self._generator.manual_seed(zlib.crc32(f"{self.seed}/{draw}/{name}".encode()))
        drawn: torch.Tensor = self.game.latents[name].sample(self.count, generator=self._generator, device=self.device)
        share = self.count // self.world_size
        return drawn[self.rank * share : (self.rank + 1) * share]


@dataclass
class TurnRunner:
    """Runs the iterations of one phase.

    Args:
        evaluator: Of the phase.
        engine: Device, precision and processes.
        optimizers: By turn name.
        next_batch: The next batch of this process, on the device.
        latents: Where latents come from.
        accumulate: Parts that each batch is cut into.
        draws: Draws begun so far; with the batch size, the position in the data.
    """

    evaluator: Evaluator
    engine: Engine
    optimizers: Mapping[str, torch.optim.Optimizer]
    next_batch: Callable[[], Batch]
    latents: LatentSource
    accumulate: int = 1
    draws: int = 0

    def __post_init__(self) -> None:
        game, phase = self.evaluator.game, self.evaluator.phase
        self._lr = {turn: scheduled(game, settings.lr) for turn, settings in phase.optimizers.items()}
        self._learning = {
            name: [parameter for network in turn.learn for parameter in game.trainable[network]]
            for name, turn in phase.turns.items()
        }

    def iterate(self, step: int) -> dict[str, torch.Tensor]:
        """Run all turns of one iteration.

        Returns:
            Each term of each turn (`turn.term`), of its last repetition, on the device; and `turn.skipped`, 1 or 0,
            where a turn has `skip_below`.
        """
        values: dict[str, torch.Tensor] = {}
        parts: list[Draw] = []
        for turn in self.evaluator.sequence(step):
            if turn.begins_draw:
                parts = self._begin(step)
            values |= self._turn(turn.turn, turn.following, parts, step)
        return values

    def _begin(self, step: int) -> list[Draw]:
        batch, number = self.next_batch(), self.draws
        self.draws += 1
        sampled: dict[str, torch.Tensor] = {}

        def sample(name: str) -> torch.Tensor:
            if name not in sampled:
                sampled[name] = self.latents.sample(name, number)
            return sampled[name]

        if self.accumulate == 1:
            return [self.evaluator.begin(batch, step, sample)]
        return [
            self.evaluator.begin(
                {name: value.chunk(self.accumulate)[index] for name, value in batch.items()},
                step,
                lambda name, index=index: sample(name).chunk(self.accumulate)[index],  # type: ignore[misc]
            )
            for index in range(self.accumulate)
        ]

    def _turn(self, name: str, following: tuple[str, ...], parts: Sequence[Draw], step: int) -> dict[str, torch.Tensor]:
        optimizer = self.optimizers[name]
        settings = self.evaluator.phase.optimizers[name]
        lr = self._lr[name]
        set_lr(optimizer, lr(step) if callable(lr) else lr)
        optimizer.zero_grad(set_to_none=True)
        sums: dict[str, torch.Tensor] = {}
        losses: list[torch.Tensor] = []
        for draw in parts:
            result = self.evaluator.run_turn(draw, name, following)
            if result.loss is not None:
                self.engine.backward(result.loss / len(parts) if len(parts) > 1 else result.loss)
                losses.append(result.loss.detach())
            for term, value in result.terms.items():
                sums[term] = sums[term] + value if term in sums else value
        parameters = self._learning[name]
        skip = self._below(name, losses)
        self.engine.step(optimizer, parameters, clip_norm=settings.clip_norm, clip_value=settings.clip_value, skip=skip)
        if settings.clip_weights is not None:
            clip_weights(parameters, settings.clip_weights)
        for draw in parts:
            self.evaluator.finish_turn(draw, name)
        values = {f"{name}.{term}": value / len(parts) if len(parts) > 1 else value for term, value in sums.items()}
        return values if skip is None else {**values, f"{name}.skipped": skip.float()}

    def _below(self, name: str, losses: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """Whether a turn's loss lies below its threshold, on the device; None where there is no threshold."""
        threshold = self.evaluator.phase.turns[name].skip_below
        if threshold is None or not losses:
            return None
        return self.engine.average(torch.stack(list(losses)).mean()) < threshold
