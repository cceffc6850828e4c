"""Steps that were left out because a number was not finite: when that is worth a word, and when it ends the training.

No such step is ever taken (see `translate.training.guard`); this is about how long it goes on. On a CPU it is looked at
after every step. On a device, which must not be waited for, the counts stay there until a step that is logged, and with
fp16 until each `FP16_LOOK_EVERY`; the terms of the iterations between are kept to be able to say which was the first.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from translate.errors import NumbersError
from translate.pipeline.game import Game
from translate.training.engine import Engine

FP16_PATIENCE: Final = 32  # the loss scale finds its size by skipping steps; it starts at 65536 and halves
FP16_WARNING: Final = 8  # in a row: more than a search, fewer than what ends the training
FP16_LOOK_EVERY: Final = 8
MOST_KEPT: Final = 1000  # iterations whose terms are kept on a device

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is not finite.

    Attributes:
        skips: Steps left out in a row.
        turns: The turns that left out as many as end the training, the worst first.
        terms: The terms that are not finite, as `turn.term`; none where only a gradient is not.
        networks: The networks whose step was left out; only those with a bad gradient where that is still known.
        first: The first iteration known to have a bad term, 0 where none is known.
    """

    skips: int
    turns: tuple[str, ...]
    terms: tuple[str, ...]
    networks: tuple[str, ...]
    first: int

    def error(self, step: int, folder: Path, saved: Path | None, *, fp16: bool) -> NumbersError:
        """The error that ends a training."""
        kept = f"the last good checkpoint is {saved}" if saved else "there is no checkpoint yet"
        since = f" (first at step {self.first})" if 0 < self.first < step else ""
        which = f"loss {', '.join(self.terms)}{since}" if self.terms else "no loss, but a gradient"
        noun = "turn" if len(self.turns) == 1 else "turns"
        turns = ", ".join(f"'{turn}'" for turn in self.turns)
        other = "precision: bf16 or fp32" if fp16 else "precision: fp32"
        return NumbersError(
            f"not finite for {self.skips} steps in a row at step {step}: {which}, in the {noun} {turns} "
            f"({', '.join(self.networks)}); none of these steps was taken; {kept}",
            where=str(folder),
            fix=f"lower training.optimizers.*.lr, clip gradients (clip_norm: 1), or use {other}",
        )


class SkipWatch:
    """Follows the steps that are left out, in one process; every process comes to the same.

    Args:
        game: The built pipeline.
        engine: Counts the steps.
    """

    def __init__(self, game: Game, engine: Engine) -> None:
        self._game, self._engine = game, engine
        keys = game.pipeline.training
        self._fp16 = keys.precision == "fp16"
        self._patience = max(keys.patience, FP16_PATIENCE) if self._fp16 else keys.patience
        self._every = min(keys.log_every, FP16_LOOK_EVERY) if self._fp16 else keys.log_every
        self._on_host = engine.device.type == "cpu"
        self._recent: deque[tuple[int, Mapping[str, Tensor]]] = deque(maxlen=MOST_KEPT)
        self._longest: dict[str, int] = {}
        self._warned = False

    def is_due(self, done: int, steps: int) -> bool:
        """Whether the counts are to be read after an iteration."""
        return self._on_host or done % self._every == 0 or done == steps

    def note(self, done: int, values: Mapping[str, Tensor]) -> None:
        """Keep the terms of an iteration; waits for nothing."""
        self._recent.append((done, values))

    def look(self, done: int, phase: int, optimizers: Mapping[str, torch.optim.Optimizer]) -> Trouble | None:
        """Read the counts; returns what ends the training, if anything."""
        skips = {name: self._engine.read_skips(optimizer) for name, optimizer in optimizers.items()}
        for name, count in skips.items():
            self._longest[name] = max(count, self._longest.get(name, 0))
        worst = max(skips.values(), default=0)
        if worst < self._patience:
            if self._fp16:
                self._warn(done, skips)
            if not worst:  # what is kept may be the beginning of a longer run
                self._recent.clear()
            return None
        turns = sorted((name for name, count in skips.items() if count >= self._patience), key=lambda n: -skips[n])
        terms, first = self._bad_terms(turns, phase)
        return Trouble(worst, tuple(turns), tuple(terms), self._networks(turns, phase), first)

    def longest(self) -> dict[str, float]:
        """The most steps left out in a row since the last call, as logged values; turns without any are not there."""
        found = {f"{name}.not_finite": float(count) for name, count in self._longest.items() if count}
        self._longest.clear()
        return found

    def state_dict(self, optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, list[int]]:
        """Of each turn, the steps left out in a row: up to now, at most since they were looked at, and since logged.

        Changes nothing: only process 0 saves, and when a training ends must not depend on when it is saved.
        """
        return {
            name: [*self._engine.state_of_skips(optimizer), self._longest.get(name, 0)]
            for name, optimizer in optimizers.items()
        }

    def load_state_dict(self, state: Mapping[str, list[int]], optimizers: Mapping[str, torch.optim.Optimizer]) -> None:
        """Go on from there: what is logged, and when it is too long, are as if the training had not been stopped."""
        for name, (run, unseen, longest) in state.items():
            self._longest[name] = longest
            self._engine.restore_skips(optimizers[name], run, unseen)

    def _warn(self, done: int, skips: Mapping[str, int]) -> None:
        turn = max(skips, key=lambda name: skips[name])
        if skips[turn] < FP16_WARNING:
            self._warned = self._warned and skips[turn] > 0
        elif not self._warned:
            self._warned = True
            log.warning(
                "the loss scale of fp16 falls (%g at step %d): %d steps of the turn '%s' in a row were not finite and "
                "not taken; %d in a row end the training; use precision: bf16 or fp32, or a lower learning rate",
                self._engine.loss_scale, done, skips[turn], turn, self._patience,
            )  # fmt: skip

    def _bad_terms(self, turns: Iterable[str], phase: int) -> tuple[list[str], int]:
        """The terms of some turns that are not finite, from the newest iteration that has one; and the first such."""
        losses = self._game.pipeline.phases[phase].losses
        wanted = [f"{turn}.{term}" for turn in turns for term in losses]
        found: list[str] = []
        first = 0
        for done, values in reversed(self._recent):
            bad = [name for name in wanted if name in values and not bool(torch.isfinite(values[name]).all())]
            if bad:
                found, first = found or bad, done
            elif found:
                break
        return found, first

    def _networks(self, turns: Iterable[str], phase: int) -> tuple[str, ...]:
        names = dict.fromkeys(n for turn in turns for n in self._game.pipeline.phases[phase].turns[turn].learn)
        bad = [name for name in names if any(_is_bad(parameter.grad) for parameter in self._game.trainable[name])]
        return tuple(bad or names)


def _is_bad(gradient: Tensor | None) -> bool:
    return gradient is not None and not bool(torch.isfinite(gradient).all())
