"""One iteration: its draws, and its turns one after the other."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from translate.errors import ANYTHING, TranslateError
from translate.optimizers import clip_weights, set_lr
from translate.pipeline.compiling import scheduled
from translate.pipeline.evaluating import Draw, Evaluator
from translate.pipeline.game import Game
from translate.pipeline.measuring import Movement, gradient_norms
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
        count: Examples over all processes; another number in a phase whose batches have another size.
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

    def sample(self, name: str, draw: int, again: int = 0) -> torch.Tensor:
        """One latent of one draw; `again` counts the fresh ones with the same batch."""
        if self._generator is None:
            self._generator = torch.Generator(device=self.device)
        key = f"{self.seed}/{draw}/{name}" + (f"/{again}" if again else "")
        self._generator.manual_seed(zlib.crc32(key.encode()))
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
        draws: Draws begun so far.
        waited: By turn with `most_skips`, the steps left out in a row up to now, on the device; part of a run's state.
    """

    evaluator: Evaluator
    engine: Engine
    optimizers: Mapping[str, torch.optim.Optimizer]
    next_batch: Callable[[], Batch]
    latents: LatentSource
    accumulate: int = 1
    draws: int = 0
    waited: dict[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        game, phase = self.evaluator.game, self.evaluator.phase
        self._lr = {turn: scheduled(game, settings.lr) for turn, settings in phase.optimizers.items()}
        self._learning = {
            name: [parameter for network in turn.learn for parameter in game.trainable[network]]
            for name, turn in phase.turns.items()
        }

    def iterate(self, step: int, *, measuring: bool = False) -> dict[str, torch.Tensor]:
        """Run all turns of one iteration.

        Args:
            step: The iteration, for schedules.
            measuring: Also measure, in the last repetition of each turn; changes nothing that is learnt.

        Returns:
            Each term of each turn (`turn.term`), of its last repetition, on the device; and `turn.skipped`, 1 or 0,
            where a turn has `skip_below`. When measuring, also `turn.term.NAME` and `network.NAME`, as
            `translate.pipeline.measuring` says.
        """
        values: dict[str, torch.Tensor] = {}
        parts: list[Draw] = []
        batch: Batch = {}
        again = 0
        sequence = self.evaluator.sequence(step)
        last = {turn.turn: index for index, turn in enumerate(sequence)}
        for index, turn in enumerate(sequence):
            if turn.begins_draw:
                again = again + 1 if turn.keeps_batch else 0
                if not turn.keeps_batch:
                    batch = self.next_batch()
                    self.draws += 1
                parts = self._begin(batch, again, step)
            found = self._turn(turn.turn, turn.following, parts, step, measuring and last[turn.turn] == index)
            for name in values.keys() & found.keys():  # a network that learns in two turns: the larger counts
                if name.endswith((".gradient_norm", ".update")):
                    found[name] = torch.maximum(values[name], found[name])
            values |= found
        return values

    def _begin(self, batch: Batch, again: int, step: int) -> list[Draw]:
        number = self.draws - 1
        sampled: dict[str, torch.Tensor] = {}

        def sample(name: str) -> torch.Tensor:
            if name not in sampled:
                sampled[name] = self.latents.sample(name, number, again)
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

    def _turn(
        self, name: str, following: tuple[str, ...], parts: Sequence[Draw], step: int, measuring: bool
    ) -> dict[str, torch.Tensor]:
        optimizer = self.optimizers[name]
        settings = self.evaluator.phase.optimizers[name]
        lr = self._lr[name]
        set_lr(optimizer, lr(step) if callable(lr) else lr)
        optimizer.zero_grad(set_to_none=True)
        sums: dict[str, torch.Tensor] = {}
        losses: list[torch.Tensor] = []
        for draw in parts:
            result = self.evaluator.run_turn(draw, name, following, measuring=measuring)
            if result.loss is not None:
                self._backward(name, result.loss / len(parts) if len(parts) > 1 else result.loss)
                losses.append(result.loss.detach())
            for term, value in (*result.terms.items(), *result.measured.items()):
                sums[term] = sums[term] + value if term in sums else value
        means = {term: value / len(parts) for term, value in sums.items()} if len(parts) > 1 else sums
        parameters = self._learning[name]
        skip = self._skip(name, losses, means)
        networks = {network: self.evaluator.game.trainable[network] for network in self._learn(name) if measuring}
        movement, norms = Movement(networks), dict[str, torch.Tensor]()
        left_out = self.engine.step(
            optimizer,
            parameters,
            losses=losses,
            clip_norm=settings.clip_norm,
            clip_value=settings.clip_value,
            skip=skip,
            before_clipping=(lambda: norms.update(gradient_norms(networks))) if measuring else None,
        )
        if settings.clip_weights is not None:
            clip_weights(parameters, settings.clip_weights, unless=left_out)
        for draw in parts:
            self.evaluator.finish_turn(draw, name)
        values = {f"{name}.{term}": value for term, value in means.items()}
        values |= norms | movement.values()
        return values if skip is None else {**values, f"{name}.skipped": skip.float()}

    def _backward(self, turn: str, loss: torch.Tensor) -> None:
        try:
            self.engine.backward(loss)
        except (TranslateError, MemoryError, torch.OutOfMemoryError):
            raise
        except ANYTHING as exc:
            raise self.evaluator.backward_failed(turn, exc) from exc

    def _learn(self, turn: str) -> tuple[str, ...]:
        return self.evaluator.phase.turns[turn].learn

    def _skip(
        self, name: str, losses: Sequence[torch.Tensor], terms: Mapping[str, torch.Tensor]
    ) -> torch.Tensor | None:
        """Whether a turn's step is left out on purpose, on the device; None where it never is."""
        turn = self.evaluator.phase.turns[name]
        if turn.skip_below is None or not losses:
            return None
        if isinstance(turn.skip_below, Mapping):
            values = self.engine.average(torch.stack([terms[term] for term in turn.skip_below]))
            each = [value < below for value, below in zip(values, turn.skip_below.values(), strict=True)]
            skip = torch.stack(each).all()
        else:
            skip = self.engine.average(torch.stack(list(losses)).mean()) < turn.skip_below
        if turn.most_skips is not None:
            before = self.waited.get(name, torch.zeros_like(skip, dtype=torch.int64))
            skip = skip & (before < turn.most_skips)
            self.waited[name] = (before + 1) * skip
        return skip
