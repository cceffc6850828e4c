"""Trainings in forked children of a warm process, through the command line, and what they tell about themselves.

A new process spends seconds on importing torch; a fork of one that has it begins at once. `spread` forks one driver for
each core, which registers the throw-away components and then forks a child for every trial.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torch
import yaml
from toy_runs import game, toy_manager

from translate import hookimpl

DRIVERS: Final = 2

TOY: Final = game(
    {"steps": 8, "checkpoint_every": 2, "keep_checkpoints": 2, "preview_every": 3, "preview_count": 2},
    export={"translate": {"inputs": ["source", "z"], "output": "fake"}},
    evaluation={
        "metrics": {"distance": {"metric": "l1", "of": "fake", "to": "target"}},
        "baseline": {"by": "source", "give": "target", "instead_of": "fake"},
        "count": 4,
    },
)


def write_toy(path: Path, **training: Any) -> Path:
    """Write the pipeline above, with other training settings, as a file."""
    document = {**TOY, "training": {**TOY["training"], **training}}
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


# -- children ---------------------------------------------------------------------------------------------------------


@dataclass
class Event:
    """Something that a training did, by the clock of the machine."""

    what: str
    step: int
    at: float


@dataclass
class Child:
    """A forked process and what it tells."""

    pid: int
    log: Path
    channel: int
    events: list[Event] = field(default_factory=list)
    status: int | None = None
    _rest: bytes = b""
    _open: bool = True

    def hear(self, seconds: float) -> bool:
        """Read events for at most so long; False when the child has ended (or closed its channel)."""
        if not self._open or not select.select([self.channel], [], [], max(0.0, seconds))[0]:
            return self._open
        found = os.read(self.channel, 65536)
        if not found:
            os.close(self.channel)
            self._open = False
            return False
        *lines, self._rest = (self._rest + found).split(b"\n")
        for line in lines:
            what, step, at = line.split()
            self.events.append(Event(what.decode(), int(step), float(at)))
        return True

    def until(self, count: int, seconds: float = 60.0) -> bool:
        """Hear until so many events came; False when the child ended before."""
        limit = time.monotonic() + seconds
        while len(self.events) < count and time.monotonic() < limit:
            if not self.hear(0.2):
                break
        return len(self.events) >= count

    def kill(self, number: int = signal.SIGKILL) -> float:
        """Send a signal; returns the time just before."""
        at = time.monotonic()
        os.kill(self.pid, number)  # not waited for yet: the number is still this child's
        return at

    def wait(self, seconds: float = 60.0) -> int:
        """Hear to the end and return the exit code, negative for a signal; a child that hangs is killed."""
        limit = time.monotonic() + seconds
        while self.hear(0.2):
            if time.monotonic() > limit:
                os.kill(self.pid, signal.SIGKILL)
                limit += 60.0
                self.log.write_text(f"{self.text}\nTIMEOUT: did not end in {seconds} s\n")
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    @property
    def text(self) -> str:
        """What it wrote on its stdout and stderr."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def last(self, what: str) -> int:
        """The step of the last event of a kind, 0 for none."""
        return max((event.step for event in self.events if event.what == what), default=0)


def start(work: Callable[[], int], log: Path) -> Child:
    """Fork a child that does a work and ends with the code that it returns; it never comes back into the caller.

    Args:
        work: Returns the exit code.
        log: Where its stdout and stderr go.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, log, reading)
    code = 99
    try:
        os.close(reading)
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        logging.getLogger().handlers.clear()  # the test runner's, which would swallow what a user sees
        warnings.resetwarnings()  # its filters make errors of them
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        _channel.append(writing)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


_channel: list[int] = []  # of this process, and before it those of its parents


def tell(what: str, step: int) -> None:
    """Tell the parent an event, from within a child."""
    with suppress(BrokenPipeError):  # nobody listens any more
        os.write(_channel[-1], f"{what} {step} {time.monotonic()}\n".encode())


class Probe:
    """Tells what a training does, as a plugin."""

    @hookimpl
    def translate_run_started(self, run: Any) -> None:
        tell("started", run.start_step)

    @hookimpl(tryfirst=True)
    def translate_step_finished(self, step: int) -> None:
        tell("step", step)

    @hookimpl(tryfirst=True)
    def translate_checkpoint_saved(self, step: int) -> None:
        tell("saved", step)

    @hookimpl
    def translate_run_finished(self, step: int) -> None:
        tell("finished", step)


def command(*words: object, before: Callable[[], None] | None = None) -> Callable[[], int]:
    """The work of a child: a command line, with a probe on it.

    Args:
        words: As after `translate`.
        before: Done first in the child, such as putting a fault somewhere.
    """

    def work() -> int:
        from translate.cli import main
        from translate.plugin_manager import default_manager

        tell("begun", 0)
        default_manager().register(Probe(), name="probe")
        if before is not None:
            before()
        sys.argv = ["translate", *map(str, words)]
        return main([str(word) for word in words])

    return work


def run(
    folder: Path,
    pipeline: str | Path,
    *settings: str,
    before: Callable[[], None] | None = None,
    log: Path | None = None,
) -> Child:
    """Start `translate train` into a folder; its output stands beside that where no other place is given."""
    work = command("train", pipeline, *settings, "--out", folder, before=before)
    return start(work, log or folder.with_name(f"{folder.name}.log"))


# -- drivers ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def warm() -> None:
    """Train once in this process, so that all that its children need is imported; its plugins stay as they are."""
    import translate.evaluation
    import translate.exporting  # noqa: F401
    from translate.training import train

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        train(TOY, ["training.steps=2"], out=Path(folder) / "run", manager=toy_manager())
    torch.set_num_threads(threads)


def spread(trial: Callable[[Any], Any], items: Sequence[Any], folder: Path, *, drivers: int = DRIVERS) -> list[Any]:
    """Do a trial for each item, in as many drivers at a time; results (plain data) come in the order of the items.

    Raises:
        AssertionError: A driver failed; says how.
    """
    warm()
    numbered = list(enumerate(items))
    drivers = max(1, min(drivers, len(numbered)))
    shares = [(number, numbered[number::drivers]) for number in range(drivers)]
    started = [(start(_driving(trial, share, folder / f"driver-{n}.jsonl"), folder / f"driver-{n}.log"), n)
               for n, share in shares]  # fmt: skip
    codes = [(child.wait(3600.0), child.text) for child, _ in started]
    assert all(code == 0 for code, _ in codes), "\n".join(text for _, text in codes)
    found: dict[int, Any] = {}
    for _, number in started:
        found |= dict(_lines(folder / f"driver-{number}.jsonl"))
    return [found[index] for index in range(len(numbered))]


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        index, result = json.loads(line)
        yield index, result


def _driving(trial: Callable[[Any], Any], share: Sequence[tuple[int, Any]], results: Path) -> Callable[..., int]:
    def work() -> int:
        import toys

        from translate.plugin_manager import default_manager

        torch.set_num_threads(1)
        default_manager().register(toys.Plugin(), name="toys")
        gc.collect()
        gc.freeze()  # a collection in a child would touch, and so copy, every page of it
        with results.open("w", encoding="utf-8") as file:
            for index, item in share:
                file.write(json.dumps([index, trial(item)]) + "\n")
        return 0

    return work
