"""Requests to stop, in every phase and from outside: saved at the interrupted step, with its exit code, at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import record
import support_forks
import yaml
from support_ends import MOST_LINES, end, whole
from support_forks import TOY, Child, command, run, spread, start, write_toy

from translate.training.feed import PATIENCE

STEPS, LONGEST = 8, 5.0
CODES = {"SIGTERM": 75, "SIGUSR1": 75, "SIGINT": 130}

TRAINING = ("waiting for data", "step", "between turns", "logging", "preview", "saving", "pruning")
BEFORE = ("start-up", "checking", "first preview", "resuming")  # there is nothing to save
OTHER = ("evaluation", "export")
PHASES = BEFORE + TRAINING + OTHER


def fire_at(phase: str, step: int, name: str) -> Callable[[], None]:
    """Let this process send itself a signal in a phase (of a step)."""

    def send() -> None:
        support_forks.tell("signal", step)
        os.kill(os.getpid(), getattr(signal, name))

    def wrap(owner: Any, function: str, when: Callable[..., bool]) -> None:
        original, fired = getattr(owner, function), []

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not fired and when(*args, **kwargs):
                fired.append(True)
                send()
            return original(*args, **kwargs)

        setattr(owner, function, wrapped)

    def install() -> None:
        import toys

        import translate.exporting.exporter as exporter
        import translate.pipeline
        from translate.training import files, loop
        from translate.training.feed import Feed

        trainer, counted = loop.Trainer, Counter[str]()
        if phase == "waiting for data":
            hang_at(step)

        def nth(of: str, number: int) -> bool:
            counted[of] += 1
            return counted[of] == number

        wrap(*{
            "start-up": (translate.pipeline, "load_pipeline", lambda *_, **__: True),
            "checking": (loop, "check", lambda *_, **__: True),
            "first preview": (loop.Preview, "pictures", lambda _, __, at: at == 0),
            "resuming": (loop, "resume", lambda *_: True),
            "waiting for data": (Feed, "next", lambda _: nth("batch", step + 1)),
            "step": (loop.TurnRunner, "iterate", lambda _, at, **__: at == step - 1),
            "between turns": (loop.Engine, "step", lambda *_, **__: nth("turn", 2 * step)),
            "logging": (trainer, "_log", lambda _, at, *__: at == step),
            "preview": (loop.Preview, "pictures", lambda _, __, at: at == step),
            "saving": (files, "fsync", lambda path: f"{step:06d}.new-" in str(path)),
            "pruning": (files, "rename", lambda _, new: ".gone-" in new.name and nth("gone", max(1, step // 2 - 2))),
            "evaluation": (toys.ToyData, "example", lambda *_: nth("example", step)),
            "export": (exporter, "_attempt", lambda *_, **__: True),
        }[phase])  # fmt: skip

    return install


def hang_at(batch: int) -> None:
    """Let the worker process hang that prepares a batch."""
    import toys

    from translate.data.examples import Examples

    at, example = Examples.at, toys.ToyData.example
    doing: list[int] = []

    def noted(self: Examples, position: int) -> Any:
        doing[:] = [position]
        return at(self, position)

    def hanging(self: toys.ToyData, index: int, generator: Any) -> Any:
        is_worker = multiprocessing.parent_process() is not None
        if is_worker and doing[0] // TOY["training"]["batch_size"] == batch:
            time.sleep(600)
        return example(self, index, generator)

    Examples.at, toys.ToyData.example = noted, hanging  # type: ignore[method-assign]


def step_of(phase: str, generator: random.Random) -> int:
    """A step at which the phase comes, such that there is one after it."""
    if phase in {"saving", "pruning"}:
        return 6 if phase == "pruning" else generator.choice((2, 4, 6))
    return generator.randint(1, STEPS - 1)


def sent(item: dict[str, Any]) -> dict[str, Any]:
    """One signal; what came of it."""
    folder, base, pipeline = Path(item["folder"]), Path(item["base"]), Path(item["pipeline"])
    generator = random.Random(item["seed"])
    phase, name = item["phase"], generator.choice(sorted(CODES))
    step = step_of(phase, generator)
    weak = one_look_each_epoch if item.get("weak") else None
    prepare(base, pipeline)
    if phase in {"resuming", *OTHER}:
        shutil.copytree(base / "half", folder)
    before = files_in(folder)
    settings = ["data.workers=1"] if phase == "waiting for data" else []
    if phase == "anywhere":
        child = run(folder, pipeline, before=weak)
        child.until(generator.randrange(2, 2 + STEPS + STEPS // 2))  # begun, started, steps, saves
        time.sleep(generator.random() * 0.03)
        at = child.kill(getattr(signal, name))
    else:
        words = {"evaluation": ("evaluate", folder, "--count", 4), "export": ("export", folder)}.get(
            phase, ("train", pipeline, "--out", folder, *settings)
        )
        fault = fire_at(phase, step, name)
        both = (lambda: (weak(), fault())) if weak else fault
        child = start(command(*words, before=both), folder.with_name(f"{folder.name}.log"))
        at = 0.0
    code = child.wait(30.0)
    took = time.monotonic() - (at or next((e.at for e in child.events if e.what == "signal"), 0.0))
    wrong = problems(phase, name, step, child, code, folder, at)
    if phase in OTHER and files_in(folder) != before:
        wrong.append("files were left or lost")
    wrong += [f"took {took:.1f} s"] if took > LONGEST else []
    if item["resume"] and phase not in OTHER and not wrong:
        again = run(folder, pipeline)
        if again.wait() != 0 or end(folder, STEPS) != end(base / "whole", STEPS):
            wrong.append(f"another end: {again.text}")
    shutil.rmtree(folder, ignore_errors=True)
    shown = [f"{phase} {name} step {step} seed {item['seed']}: {problem}: {child.text!r}" for problem in wrong]
    return {"phase": phase, "name": name, "took": took, "wrong": shown, "done": code == 0}


def files_in(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if not path.is_dir())


def problems(phase: str, name: str, step: int, child: Child, code: int, folder: Path, at: float) -> list[str]:
    """What is not as it must be after a signal."""
    found = whole(folder) if folder.exists() else {"newest": 0, "unreadable": 0, "left": []}
    finished = max((e.step for e in child.events if e.what == "step" and e.at < at), default=0)
    wrong = ["unreadable"] if found["unreadable"] else []
    wrong += [f"left {found['left']}"] if found["left"] else []
    lines = [line for line in child.text.splitlines() if line.strip()]
    wrong += ["a traceback"] if "Traceback" in child.text else []
    wrong += [f"{len(lines)} lines"] if len(lines) > MOST_LINES else []
    if phase == "anywhere" and finished >= STEPS - 1 and code == 0:  # it was in its last step, or done
        return wrong + ([f"newest {found['newest']}"] if found["newest"] != STEPS else [])
    wrong += [f"exit {code}"] if code != CODES[name] else []
    if phase in BEFORE + OTHER or (phase == "anywhere" and not child.last("step")):
        expected = 4 if phase in {"resuming", *OTHER} else 0
        wrong += ["says nothing of that there is nothing to save"] if "nothing to save" not in child.text else []
        return wrong + ([f"newest {found['newest']}"] if found["newest"] != expected else [])
    allowed = {finished, finished + 1} if phase == "anywhere" else {step}
    wrong += [f"saved at {found['newest']}, not in {allowed}"] if found["newest"] not in allowed else []
    return wrong + ([] if f"stopped at step {found['newest']};" in child.text else ["does not name the step"])


def prepare(base: Path, pipeline: Path) -> None:
    """Two runs to compare with, once for each driver: a whole one and one that is to go on."""
    if not (base / f"ready-{os.getpid()}").exists():
        own = base / f"runs-{os.getpid()}"
        own.mkdir()
        for name, steps in (("whole", STEPS), ("half", 4)):
            assert run(own / name, pipeline, f"training.steps={steps}").wait() == 0
            if not (base / name).exists():
                shutil.copytree(own / name, base / name, dirs_exist_ok=True)
        (base / f"ready-{os.getpid()}").touch()


def one_look_each_epoch() -> None:
    """The weakness: the loop looks at the flag once an epoch of eight steps, which are asked about twelve times."""
    from translate.training.engine import Engine

    looks = Counter[str]()

    def seldom(self: Engine, flag: bool) -> bool:
        looks["all"] += 1
        return flag and looks["all"] % 12 == 0

    Engine.any = seldom  # type: ignore[method-assign]


def signals(folder: Path, phases: list[str], *, seed: int, resumes: int, weak: bool = False) -> list[dict[str, Any]]:
    """One signal for each entry."""
    (folder / "base").mkdir()
    pipeline = write_toy(folder / "toy.yaml", preview_every=1)
    common = {"base": str(folder / "base"), "pipeline": str(pipeline), "weak": weak}
    items = [
        {
            **common,
            "phase": phase,
            "seed": f"{seed}/{n}",
            "folder": str(folder / f"run-{n}"),
            "resume": n % resumes == 0,
        }
        for n, phase in enumerate(phases)
    ]
    return spread(sent, items, folder)


def test_a_signal_in_every_phase(tmp_path):
    found = signals(tmp_path, [*PHASES, "anywhere"], seed=record.SEED, resumes=5)
    assert [problem for one in found for problem in one["wrong"]] == []


@pytest.mark.reliability
@pytest.mark.timeout(3600)
def test_signals(tmp_path):
    begun, each = time.monotonic(), 50 if record.SIZE == "bench" else 5
    phases = [*PHASES * each, *["anywhere"] * (7 * each)]
    found = signals(tmp_path, phases, seed=record.SEED, resumes=4)
    wrong = [problem for one in found for problem in one["wrong"]]
    values = {
        "signals": len(found),
        "phases": len(PHASES) + 1,
        "right step, exit code and text": len(found) - len(wrong),
        "of each": dict(sorted(Counter(one["name"] for one in found).items())),
        "slowest seconds": max(one["took"] for one in found),
        "came after the last step": sum(one["done"] for one in found),
    }
    record.figure(name="signals", goal="G2", values=values, seed=record.SEED, seconds=time.monotonic() - begun)
    assert wrong == []
    assert len(found) >= 100


def test_the_harness_finds_a_loop_that_looks_once_an_epoch(tmp_path):
    found = signals(tmp_path, ["step", "saving"], seed=record.SEED, resumes=100, weak=True)
    assert all(one["wrong"] for one in found), found


# -- waiting for data, where not everything can be saved ---------------------------------------------------------------


def write_waiting(path: Path, **changes: Any) -> Path:
    path.write_text(yaml.safe_dump({**TOY, **changes, "data": {**TOY["data"], "workers": 1}}, sort_keys=False))
    return path


def waits(item: dict[str, Any]) -> list[str]:
    """A signal while a batch of an iteration is waited for; what is wrong in how it ends."""
    folder, pipeline = Path(item["folder"]), Path(item["pipeline"])
    child = run(folder, pipeline, before=fire_at("waiting for data", item["batch"], "SIGTERM"))
    code = child.wait(30.0)
    took = time.monotonic() - next((event.at for event in child.events if event.what == "signal"), 0.0)
    wrong = [] if code == 75 else [f"exit {code}"]
    wrong += [f"took {took:.1f} s"] if took > item["seconds"] else []
    wrong += [] if item["says"] in child.text and "Traceback" not in child.text else [child.text]
    newest = whole(folder)["newest"]
    wrong += [f"newest {newest}"] if newest != item["newest"] else []
    base = folder.with_name(f"{folder.name}-whole")
    runs = [run(folder, pipeline), run(base, pipeline)]
    codes = [child.wait() for child in runs]
    if codes != [0, 0] or end(folder, STEPS) != end(base, STEPS):
        wrong.append(f"another end: {[child.text for child in runs]}")
    return wrong


@pytest.mark.reliability
def test_a_request_in_a_wait_keeps_what_can_be_kept(tmp_path):
    twice = write_waiting(tmp_path / "twice.yaml", turns={"discriminators": {"learn": ["D"], "steps": 2},
                                                           "generators": {"learn": ["G"]}})  # fmt: skip
    phases = write_waiting(
        tmp_path / "phases.yaml", phases=[{"start": 3, "training": {"optimizers": {"generators": {"lr": 0.02}}}}]
    )
    lost = "stopped at step 3; step 4 waited for data and is lost; the newest checkpoint is "
    items = [
        # The second batch of the fourth iteration: half of it is done, and a batch that is only late is waited for.
        {"pipeline": twice, "batch": 7, "says": f"{lost}{tmp_path / 'run-0'}/checkpoints/000002", "newest": 2},
        # The first batch of a phase: its optimisers are there already.
        {"pipeline": phases, "batch": 3, "says": "stopped at step 3; a checkpoint is saved", "newest": 3},
        {
            "pipeline": phases,
            "batch": 0,
            "says": "stopped before the first step; there is nothing to save",
            "newest": 0,
        },
    ]
    for number, item in enumerate(items):
        late = PATIENCE if number == 0 else 0.0
        item |= {
            "pipeline": str(item["pipeline"]),
            "folder": str(tmp_path / f"run-{number}"),
            "seconds": LONGEST + late,
        }
    assert list(chain(*spread(waits, items, tmp_path))) == []


# -- a second request -------------------------------------------------------------------------------------------------


def impatient(item: dict[str, Any]) -> list[str]:
    """SIGTERM, and SIGKILL before it was done with: what was there stays whole, and the end is the same."""
    folder, pipeline, base = Path(item["folder"]), Path(item["pipeline"]), Path(item["base"])
    generator = random.Random(item["seed"])
    prepare(base, pipeline)
    child = run(folder, pipeline)
    child.until(generator.randrange(3, 12))
    saved = child.last("saved")
    child.kill(signal.SIGTERM)
    if generator.random() < 0.5:
        child.kill(signal.SIGTERM)
    time.sleep(generator.random() * 0.05)
    child.kill()
    code = child.wait()
    found = whole(folder)
    wrong = [] if code in {-signal.SIGKILL, 75, 0} else [f"exit {code}"]
    wrong += [str(found)] if found["unreadable"] or found["newest"] < saved else []
    again = run(folder, pipeline)
    wrong += [] if again.wait() == 0 and end(folder, STEPS) == end(base / "whole", STEPS) else [again.text]
    return [f"seed {item['seed']}: {problem}" for problem in wrong]


def test_a_kill_after_a_request_costs_nothing(tmp_path):
    (tmp_path / "base").mkdir()
    pipeline = write_toy(tmp_path / "toy.yaml", preview_every=1)
    items = [{"folder": str(tmp_path / f"run-{n}"), "pipeline": str(pipeline), "base": str(tmp_path / "base"),
              "seed": f"{record.SEED}/{n}"} for n in range(3)]  # fmt: skip
    assert list(chain(*spread(impatient, items, tmp_path))) == []


# -- Ctrl-C in a terminal's own process -------------------------------------------------------------------------------


def test_ctrl_c_once_and_twice(tmp_path):
    settings = ["training.steps=100000", "training.preview_every=0", "training.checkpoint_every=100000"]
    settings += ["training.observers=[metrics_file]", "training.log_every=1", "training.batch_size=2"]
    settings += ["data.count=8", "data.workers=2", "training.device=cpu"]
    started = {}
    for name in ("once", "twice"):
        line = [sys.executable, "-m", "translate", "train", "demo", *settings, "--out", str(tmp_path / name)]
        started[name] = subprocess.Popen(
            line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    try:
        took = pressed(started, tmp_path)
    finally:
        for process in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    # Two whole processes with workers, beside other tests: the seconds that are promised are measured above.
    assert took["once"] < 4 * LONGEST
    assert took["twice"] < LONGEST


def pressed(started: dict[str, subprocess.Popen[str]], folder: Path) -> dict[str, float]:
    """Press Ctrl-C in each, as a terminal does: the workers get it too; seconds to the end."""
    took = {}
    for name, process in started.items():
        metrics = folder / name / "metrics.jsonl"
        limit = time.monotonic() + 90
        while not (metrics.exists() and metrics.stat().st_size):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < limit
            time.sleep(0.02)
    for name, process in started.items():
        begun = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        if name == "twice":
            assert "press Ctrl-C again" in process.stderr.readline()
            begun = time.monotonic()
            os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=30)
        took[name] = time.monotonic() - begun
        text = process.communicate(timeout=30)[1]  # its workers have the same stderr, and leave a little later
        assert process.returncode == 130, text
        assert "Traceback" not in text
        assert len(text.splitlines()) <= 3, text
        if name == "once":
            assert "press Ctrl-C again to stop at once" in text
            assert "a checkpoint is saved" in text
            assert whole(folder / name)["newest"] > 0
    return took
