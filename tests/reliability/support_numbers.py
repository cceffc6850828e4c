"""Numbers that are not finite, put into a training at a chosen place, and what became of the weights there."""

from __future__ import annotations

import hashlib
import io
import math
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from support_ends import problems_of_block, whole
from torch import Tensor

from translate.training.checkpoint import find_checkpoints, load_checkpoint

KINDS: Final = ("loss and gradient", "gradient alone", "loss alone")
EVERY, STEPS = 2, 8  # of checkpoints; only steps 1, 4 and 8 are logged
SETTINGS: Final = [
    *(f"training.steps={STEPS}", f"training.checkpoint_every={EVERY}", "training.log_every=4"),
    *("training.preview_every=0", "training.device=cpu", "training.observers=[]", "data.workers=0"),
]


def command(*words: object) -> tuple[int, str]:
    """A command line in this process: its exit code and what it wrote."""
    from translate.cli import main

    written = io.StringIO()
    with redirect_stdout(written), redirect_stderr(written):
        code = main([str(word) for word in words])
    return code, written.getvalue()


def spoilt(value: Tensor, kind: str) -> Tensor:
    """A loss that is not finite, or whose gradient is not."""
    if kind == "loss and gradient":
        return value * math.nan
    if kind == "loss alone":
        return value + math.inf
    made = value * 1.0
    if made.requires_grad:
        made.register_hook(lambda gradient: gradient * math.inf)
    return made


class Injection:
    """From (or only at) an iteration, a term of a turn is not finite; every step of every turn is looked at.

    Args:
        turn: The turn.
        term: The term, or None for nothing at all.
        kind: One of `KINDS`.
        at: The iteration, counted from 1.
        until: The last one.
    """

    def __init__(self, turn: str, term: str | None, kind: str, at: int, until: int = STEPS) -> None:
        self.turn, self.term, self.kind, self.at, self.until = turn, term, kind, at, until
        self.now = 0
        self.logged = False
        self.terms: set[tuple[str, str]] = set()
        self.moved: list[tuple[int, str, bool]] = []  # iteration, turn, whether any bit changed
        self.spoilt = 0
        self.scales: list[float] = []

    @contextmanager
    def installed(self) -> Iterator[Injection]:
        """Put it in, for a while."""
        from translate.pipeline.evaluating import Evaluator
        from translate.training.engine import Engine
        from translate.training.turns import TurnRunner

        plan, iterate, turn_of, step_of = Evaluator.plan, TurnRunner.iterate, TurnRunner._turn, Engine.step

        def spoiling(evaluator: Any, turn: str, following: tuple[str, ...]) -> Any:
            found = plan(evaluator, turn, following)
            for term in found.terms:
                self.terms.add((turn, term.name))
                if (turn, term.name) == (self.turn, self.term) and not hasattr(term.function, "spoils"):
                    term.function = self._spoiling(term.function)
            return found

        def counting(runner: Any, step: int, *, measuring: bool = False) -> Any:
            self.now, self.logged = step + 1, measuring
            return iterate(runner, step, measuring=measuring)

        def looking(runner: Any, name: str, *arguments: Any) -> Any:
            before = bits(runner, name)
            values = turn_of(runner, name, *arguments)
            self.moved.append((self.now, name, bits(runner, name) != before))
            return values

        def scaling(engine: Any, *arguments: Any, **named: Any) -> Any:
            left_out = step_of(engine, *arguments, **named)
            if engine.loss_scale is not None:
                self.scales.append(engine.loss_scale)
            return left_out

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Evaluator, "plan", spoiling)
            patch.setattr(TurnRunner, "iterate", counting)
            patch.setattr(TurnRunner, "_turn", looking)
            patch.setattr(Engine, "step", scaling)
            yield self

    def _spoiling(self, function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def spoiling(**values: Any) -> Tensor:
            value = function(**values)
            if not self.at <= self.now <= self.until:
                return value
            self.spoilt += 1
            return spoilt(value, self.kind)

        spoiling.spoils = True  # type: ignore[attr-defined]
        return spoiling


def bits(runner: Any, turn: str) -> str:
    """All weights, and the state of a turn's optimiser; a state of zeros counts as one that is not there yet."""
    digest = hashlib.sha256()
    for network in runner.evaluator.game.networks.values():
        for parameter in network.parameters():
            digest.update(parameter.detach().numpy().tobytes())
    for state in runner.optimizers[turn].state.values():
        for name, value in sorted(state.items()):
            if isinstance(value, Tensor) and value.any():
                digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()


def inject(words: list[str], folder: Path, turn: str, term: str, kind: str, at: int) -> dict[str, Any]:
    """Train with an injection that stays, and judge how it ended."""
    shutil.rmtree(folder, ignore_errors=True)
    with Injection(turn, term, kind, at).installed() as injection:
        code, text = command("train", *words, *SETTINGS, "--out", folder)
    at_once = [moved for now, name, moved in injection.moved if name == turn and now >= at]
    ends = injection.now
    learn = re.search(rf"in the turns? .*'{turn}'.* \(([\w, ]+)\); none", text)
    says = [f"at step {ends}:", "not finite for", "none of these steps was taken"]
    says += [f"loss {turn}.{term}"] if kind != "gradient alone" else ["no loss, but a gradient"]
    good = (at - 1) // EVERY * EVERY
    says += [f"checkpoints/{good:06d}" if good else "there is no checkpoint yet"] if ends < good + EVERY else []
    problems = problems_of_block(text, "E-NUMBERS", *says) + ([] if learn else [f"names no network: {text!r}"])
    return {
        "place": f"{turn}.{term}, {kind}, step {at}",
        "spoilt": injection.spoilt,
        "taken": sum(at_once),
        "left out": len(at_once) - sum(at_once),
        "healthy moved": any(moved for now, name, moved in injection.moved if name == turn and now < at),
        "code": code,
        "problems": problems,
        "ended": ends,
        **state_of(folder),
    }


def state_of(folder: Path) -> dict[str, Any]:
    """What a run's checkpoints hold."""
    found = whole(folder)
    bad = [
        f"{path.name}/{network}/{key}"
        for _, path in find_checkpoints(folder / "checkpoints")
        for network, tensors in load_checkpoint(path).weights.items()
        for key, value in tensors.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    aside = sorted(path.name for path in (folder / "checkpoints").glob("failed-*"))
    return {"newest": found["newest"], "unreadable": found["unreadable"], "bad saved": bad, "aside": aside}


def poison(words: list[str], folder: Path, network: str, what: str, step: int) -> dict[str, Any]:
    """Train, make one weight not finite right before a save, and judge how it ended.

    Args:
        words: Of the command line.
        folder: The run's.
        network: Whose weight.
        what: "weight", "buffer" or "average".
        step: Of the save.
    """
    from translate.training.loop import Trainer

    shutil.rmtree(folder, ignore_errors=True)
    save = Trainer._save

    def poisoning(trainer: Any, now: int) -> None:
        if now == step:
            module = trainer.ema.modules[network] if what == "average" else trainer.game.networks[network]
            tensors = module.buffers() if what == "buffer" else module.parameters()
            with torch.no_grad():
                next(t for t in tensors if t.is_floating_point()).view(-1)[-1] = math.nan
        save(trainer, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_save", poisoning)
        code, text = command("train", *words, *SETTINGS, "--out", folder)
    good = f"checkpoints/{step - EVERY:06d}"
    problems = problems_of_block(text, "E-NUMBERS", f"network '{network}'", f"failed-{step:06d}", good)
    return {"place": f"{what} of {network}", "code": code, "problems": problems, **state_of(folder)}


def has_buffers(words: list[str]) -> dict[str, bool]:
    """The networks of a pipeline, and whether each keeps statistics."""
    from translate.pipeline import load_pipeline
    from translate.pipeline.building import build
    from translate.pipeline.opening import open_stream

    pipeline = load_pipeline(words[0], words[1:])
    game = build(pipeline, open_stream(pipeline, "train", batch_size=1).fields)
    return {
        name: any(buffer.is_floating_point() for buffer in network.buffers()) for name, network in game.networks.items()
    }


def terms_of(words: list[str], folder: Path) -> list[tuple[str, str]]:
    """Every term of every turn of a pipeline, by training it for a step."""
    shutil.rmtree(folder, ignore_errors=True)
    with Injection("", None, "", 1).installed() as injection:
        code, text = command("train", *words, *SETTINGS, "training.steps=1", "--out", folder)
    assert code == 0, text
    assert all(moved for _, _, moved in injection.moved)
    return sorted(injection.terms)
