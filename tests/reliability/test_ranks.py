"""Two processes: one is killed, raises, or gets a signal alone. All end, with one message that names it."""

from __future__ import annotations

import contextlib
import math
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import record
import test_signals
from support_bits import difference, fingerprints
from support_ends import problems_of_block, whole
from support_forks import spread, write_toy
from support_ranks import ended, ranks

from translate.errors import DataError

LIMIT = 15.0  # seconds from the event to the end of the last process
CODES = {"killed": 6, "killed with workers": 6, "bug": 70, "data": 3, "signal": 75}
ERRORS = {6: "E-MACHINE", 70: "E-BUG", 3: "E-DATA", 75: "E-STOPPED"}
STEPS, EVERY = 8, 2


def at_step(step: int, deed: Callable[[], None]) -> None:
    """Have this process do something in the middle of a step, as a component of it would."""
    from translate.training.turns import TurnRunner

    iterate = TurnRunner.iterate

    def instead(self: Any, now: int, **keywords: Any) -> Any:
        if now + 1 == step:
            deed()
        return iterate(self, now, **keywords)

    TurnRunner.iterate = instead  # type: ignore[method-assign]


def deed_of(event: str, moment: Path) -> Callable[[], None]:
    def deed() -> None:
        moment.write_text(repr(time.monotonic()))
        if event.startswith("killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        elif event == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        elif event == "data":
            raise DataError("the picture is cut off", where="photos/17.png", fix="replace it")
        else:
            raise KeyError("a bug")

    return deed


def without_fate() -> None:
    """Weaken the product in this process: what ends one process is its own affair."""
    from translate.training.engine import Engine

    Engine.shared_fate = lambda _: contextlib.nullcontext()  # type: ignore[method-assign]


def remember(_: int = 0) -> None:
    """Give the toy network a buffer that a process's own share of the data moves, and that its result depends on."""
    import torch
    import toys

    build, forward = toys.Dense.__init__, toys.Dense.forward

    def built(self: Any, *arguments: Any, **keywords: Any) -> None:
        build(self, *arguments, **keywords)
        self.register_buffer("seen", torch.zeros(()))

    def run(self: Any, *inputs: Any) -> Any:
        if self.training:
            self.seen.mul_(0.5).add_(inputs[0].detach().mean())
        return forward(self, *inputs) + self.seen

    toys.Dense.__init__, toys.Dense.forward = built, run  # type: ignore[method-assign]


def trial(item: dict[str, Any]) -> list[str]:
    """One training in which something happens to one process; what is not as it must be."""
    folder, event, rank, step = Path(item["folder"]), item["event"], item["rank"], item["step"]
    folder.parent.mkdir(exist_ok=True)
    pipeline = write_toy(folder.with_suffix(".yaml"), steps=STEPS, checkpoint_every=EVERY)
    settings = ["data.workers=1"] if "workers" in event else []
    moment = folder.with_suffix(".moment")

    def before(own: int) -> None:
        remember()
        if item["weak"]:
            without_fate()
        if own == rank:
            at_step(step, deed_of(event, moment))

    children = ranks(folder, pipeline, *settings, before=before)
    codes, _ = ended(children, 60.0)
    if not moment.exists():
        return [f"nothing happened: {[child.text for child in children]}"]
    seconds = time.monotonic() - float(moment.read_text())
    expected = [-9 if event.startswith("killed") and own == rank else CODES[event] for own in (0, 1)]
    problems = [f"ended after {seconds:.1f} s"] if seconds > LIMIT else []
    problems += [f"exit codes {codes} instead of {expected}"] if codes != expected else []
    said = [child.text for child in children if "error: " in child.text]
    names = [] if event == "signal" else [f"rank {rank} of 2 on {socket.gethostname()}"]
    problems += [f"{len(said)} messages"] if len(said) != 1 else []
    problems += [p for text in said[:1] for p in problems_of_block(text, ERRORS[CODES[event]], *names)]
    problems += ["a traceback"] if any("Traceback" in child.text for child in children) else []
    newest = step if event == "signal" else (step - 1) // EVERY * EVERY
    found = whole(folder)
    problems += [f"checkpoints: {found}"] if found["unreadable"] or found["newest"] != newest else []
    if problems:
        return [*problems, *(child.text for child in children)]
    again, base = ranks(folder, pipeline, before=remember), folder.with_name(f"{folder.name}-whole")
    codes, _ = ended(again)
    if codes != [0, 0]:
        return [f"the same command ended with {codes}", *(child.text for child in again)]
    ended(ranks(base, pipeline, before=remember))
    return [f"another end: {part}" for part in difference(fingerprints(base), fingerprints(folder))]


def items_of(
    events: Sequence[str], folder: Path, seed: int, *, both: Sequence[int] = (0, 1), times: int = 1, weak: bool = False
) -> list[dict[str, Any]]:
    generator = random.Random(seed)
    return [
        {
            "event": event, "rank": rank, "step": generator.randint(EVERY + 1, STEPS - 1), "weak": weak,
            "folder": str(folder / f"{event.replace(' ', '-')}-{rank}-{number}" / "run"),
        }
        for number in range(times) for event in events for rank in both
    ]  # fmt: skip


def measured(items: Sequence[dict[str, Any]], folder: Path) -> dict[str, Any]:
    found = spread(trial, items, folder)
    wrong = {item["folder"].split("/")[-2]: problems for item, problems in zip(items, found, strict=True) if problems}
    return {"events": len(found), "as promised": len(found) - len(wrong), "wrong": wrong}


@pytest.mark.timeout(300)
def test_a_sample_ends_as_promised(tmp_path):
    items = [*items_of(["killed"], tmp_path, record.SEED, both=[1]), *items_of(["data"], tmp_path, 1, both=[1])]
    found = measured(items, tmp_path)
    assert found["wrong"] == {}, f"seed {record.SEED}"


@pytest.mark.timeout(300)
def test_processes_that_share_no_end_are_noticed(tmp_path):
    """Teeth."""
    found = measured(items_of(["data"], tmp_path, record.SEED, both=[1], weak=True), tmp_path)
    assert found["as promised"] == 0


def waiting(item: dict[str, Any]) -> list[str]:
    """One process is asked to stop while it waits for data, and the other waits for it in an exchange."""
    folder, step = Path(item["folder"]), 5
    pipeline = write_toy(folder.with_suffix(".yaml"), steps=STEPS, checkpoint_every=EVERY)
    waits = test_signals.fire_at("waiting for data", step, "SIGTERM")
    children = ranks(folder, pipeline, "data.workers=1", before=lambda rank: waits() if rank == item["rank"] else None)
    codes, _ = ended(children, 60.0)
    at = [event.at for child in children for event in child.events if event.what == "signal"]
    seconds = time.monotonic() - at[0] if at else math.inf
    problems = [f"ended after {seconds:.1f} s"] if seconds > LIMIT else []
    problems += [f"exit codes {codes}"] if codes != [75, 75] else []
    text = "".join(child.text for child in children)
    says = f"stopped at step {step}; step {step + 1} waited for data and is lost; the newest checkpoint is {folder}"
    problems += [text] if says not in text or text.count("error: ") != 1 or "Traceback" in text else []
    found = whole(folder)
    problems += [f"checkpoints: {found}"] if found["unreadable"] or found["newest"] != 4 else []
    again = ranks(folder, pipeline)
    return problems + [f"the same command ended with {codes}" for codes in [ended(again)[0]] if codes != [0, 0]]


@pytest.mark.reliability
@pytest.mark.timeout(300)
def test_a_process_that_waits_for_data_is_asked_to_stop(tmp_path):
    items = [{"folder": str(tmp_path / f"run-{rank}"), "rank": rank} for rank in (0, 1)]
    assert [problem for found in spread(waiting, items, tmp_path) for problem in found] == []


@pytest.mark.reliability
@pytest.mark.timeout(1800)
def test_all_end_as_promised(tmp_path):
    began = time.monotonic()
    times = 5 if record.SIZE == "bench" else 1
    found = measured(items_of(list(CODES), tmp_path, record.SEED, times=times), tmp_path)
    assert found["wrong"] == {}, f"seed {record.SEED}"
    record.figure(
        name="one of two processes killed, raising or signalled",
        goal="G14",
        values={key: found[key] for key in ("events", "as promised")},
        seed=record.SEED,
        seconds=time.monotonic() - began,
    )


@pytest.mark.reliability
@pytest.mark.timeout(300)
def test_a_process_that_the_command_itself_started_is_killed(tmp_path):
    """The real command with `training.devices=2`, which starts its second process by itself."""
    words = ["data.count=8", "data.image_size=32", "training.steps=100000", "training.batch_size=2",
             "training.checkpoint_every=1", "training.preview_every=0", "training.device=cpu", "training.devices=2",
             "data.workers=0", "networks.G.width=2", "networks.D.width=2"]  # fmt: skip
    run = tmp_path / "run"
    command = [sys.executable, "-m", "translate", "train", "demo", *words, "--out", str(run)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        limit = time.monotonic() + 200
        while not any(run.glob("checkpoints/0*/manifest.json")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit
            time.sleep(0.05)
        (child,) = _children(process.pid)
        began = time.monotonic()
        os.kill(child, signal.SIGKILL)
        code = process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert time.monotonic() - began < LIMIT
    assert code == 6
    text = log.read_text()
    assert problems_of_block(text, "E-MACHINE", f"rank 1 of 2 on {socket.gethostname()} (process {child})") == []
    found = whole(run)
    assert found["newest"] >= 1
    assert found["unreadable"] == 0


def _children(pid: int) -> list[int]:
    """Those of a process, of its main thread, that are Python."""
    numbers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(n) for n in numbers if b"translate" in Path(f"/proc/{n}/cmdline").read_bytes()]
