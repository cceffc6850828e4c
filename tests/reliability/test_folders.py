"""A run's folder and the world around it: other processes, other clocks, rights, and what stands where it should be."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import record
from support_ends import end, problems_of_block, whole
from support_faults import FULL, Faults
from support_forks import Child, run, spread, write_toy

STEPS = 8
NOBODY = 65534


class Place:
    """A pipeline and folders for one scenario."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.pipeline = write_toy(folder / "toy.yaml")
        self.run = folder / "run"
        self.logs = 0

    def done(
        self, *settings: str, out: Path | None = None, before: Callable[[], None] | None = None
    ) -> tuple[int, str]:
        """Train to the end; exit code and output."""
        child = self.start(*settings, out=out, before=before)
        return child.wait(), child.text

    def start(self, *settings: str, out: Path | None = None, before: Callable[[], None] | None = None) -> Child:
        """Begin to train, with the output in a file of its own."""
        self.logs += 1
        log = self.folder / f"{self.logs}.log"
        return run(out or self.run, self.pipeline, *settings, before=before, log=log)

    def expected(self) -> dict[str, Any]:
        """How a run ends that nothing happens to."""
        code, text = self.done(out=self.folder / "undisturbed")
        assert code == 0, text
        return end(self.folder / "undisturbed", STEPS)


def two_runs(place: Place) -> None:
    first = place.start("training.steps=100000", "training.checkpoint_every=50000")
    assert first.until(4), first.text
    other = place.start()
    begun = time.monotonic()
    code = other.wait()
    assert time.monotonic() - begun < 5
    assert code == 6
    who = f"process {first.pid} on host {socket.gethostname()}, since 2"
    assert problems_of_block(other.text, "E-MACHINE", "in use by", who, "run.lock", "--out") == []
    assert other.last("step") == 0
    first.kill(signal.SIGTERM)
    assert first.wait() == 75
    assert whole(place.run)["newest"] == first.last("step")


def stale_lock(place: Place) -> None:
    expected = place.expected()
    child = place.start()
    child.until(6)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert (place.run / "run.lock").exists()
    code, text = place.done()
    assert code == 0, text
    assert text.count("is taken over") == 1
    assert f"process {child.pid} " in text
    assert end(place.run, STEPS) == expected


def lock_of_another_host(place: Place) -> None:
    place.run.mkdir()
    forged = {"host": "elsewhere", "pid": 1, "since": "2026-01-02T03:04:05+00:00", "start": 1}
    (place.run / "run.lock").write_text(json.dumps(forged))
    code, text = place.done()
    assert code == 6
    assert problems_of_block(text, "E-MACHINE", "process 1 on host elsewhere", "--take-over") == []
    code, text = place.done("--take-over")
    assert code == 0, text
    assert "elsewhere" in text


def clock_that_goes_back(place: Place) -> None:
    expected = place.expected()
    assert place.done("training.steps=4")[0] == 0
    future = time.time() + 10**8
    os.utime(place.run / "checkpoints" / "000002", (future, future))

    def backwards() -> None:
        os.environ["TZ"] = "Pacific/Kiritimati"
        time.tzset()
        now = time.time()
        steps = iter(range(1, 10**9))
        time.time = lambda: now - 3600.0 * next(steps)

    child = place.start(before=backwards)
    assert child.wait() == 0, child.text
    assert [event.step for event in child.events if event.what == "step"] == [5, 6, 7, 8]
    assert end(place.run, STEPS) == expected


def finished(place: Place) -> None:
    assert place.done()[0] == 0
    before = end(place.run, STEPS)
    child = place.start()
    assert child.wait() == 0
    assert f"already finished at step {STEPS}; raise training.steps" in child.text
    assert child.last("step") == 0
    assert end(place.run, STEPS) == before


def at_step_zero(place: Place) -> None:
    expected = place.expected()
    child = place.start("training.checkpoint_every=100")
    child.until(3)
    child.kill()
    child.wait()
    assert whole(place.run)["newest"] == 0
    best = place.run / "checkpoints" / "best"  # a copy that somebody made; none is made by us
    best.mkdir(parents=True, exist_ok=True)
    (best / "weights.safetensors").write_bytes(b"mine")
    code, text = place.done()
    assert code == 0, text
    assert end(place.run, STEPS)["files"] == expected["files"]
    assert (best / "weights.safetensors").read_bytes() == b"mine"


def in_the_way(place: Place) -> None:
    foreign, target = place.folder / "foreign", place.folder / "target"
    foreign.mkdir()
    (foreign / "holiday.txt").write_text("mine")
    target.mkdir()
    (place.folder / "file").write_text("mine")
    (place.folder / "link").symlink_to(target)
    (place.folder / "dangling").symlink_to(place.folder / "nothing")
    os.mkfifo(place.folder / "fifo")
    kept = {path: path.lstat().st_mode for path in place.folder.rglob("*") if path.suffix != ".log"}
    for name, says in {
        "foreign": "holds other files",
        "file": "not a folder",
        "link": "a link",
        "dangling": "a link",
        "fifo": "not a folder",
    }.items():
        code, text = place.done(out=place.folder / name)
        assert code == 2, (name, text)
        assert problems_of_block(text, "E-USAGE", says, "--out") == [], name
    code, text = place.done(out=place.folder / "file" / "below")
    assert code == 6
    assert problems_of_block(text, "E-MACHINE", "in the way", "--out") == []
    assert {path: path.lstat().st_mode for path in place.folder.rglob("*") if path.suffix != ".log"} == kept
    assert (place.folder / "file").read_text() == (foreign / "holiday.txt").read_text() == "mine"
    assert stat.S_ISFIFO((place.folder / "fifo").lstat().st_mode)


def without_rights(place: Place) -> None:
    """As somebody else; the folder of a test belongs to root alone, so that this one needs another."""
    outside = Path(tempfile.mkdtemp(prefix="reliability-"))
    try:
        outside.chmod(0o755)
        (outside / "taken").mkdir(mode=0o755)
        place.pipeline = write_toy(outside / "toy.yaml")
        for out in (outside / "new", outside / "taken"):
            child = place.start(out=out, before=lambda: os.setuid(NOBODY))
            assert child.wait() == 6, child.text
            assert problems_of_block(child.text, "E-MACHINE", "permission denied", str(out), "--out") == []
        assert sorted(path.name for path in outside.iterdir()) == ["taken", "toy.yaml"]

        def loses_rights() -> None:
            from translate.training import loop

            os.setuid(NOBODY)
            save = loop.save

            def saving(trainer: Any, step: int) -> Path:
                if step == 6:
                    (trainer.folder / "checkpoints").chmod(0o555)
                return save(trainer, step)

            loop.save = saving

        os.chown(outside / "taken", NOBODY, NOBODY)
        child = place.start(out=outside / "taken", before=loses_rights)
        assert child.wait() == 6, child.text
        assert problems_of_block(child.text, "E-MACHINE", "permission denied", "checkpoints") == []
        assert child.last("saved") == 4
        found = whole(outside / "taken")
        assert (found["newest"], found["unreadable"], found["left"]) == (4, 0, [])
    finally:
        shutil.rmtree(outside)


def claimed_too_early(place: Place) -> None:
    """A save that fails at its very last operation is not called a save."""
    counting, faults = place.folder / "count", Faults()

    def count() -> None:
        faults.install(place.folder)
        from translate.training import loop

        save = loop.save

        def saving(trainer: Any, step: int) -> Path:
            path = save(trainer, step)
            if not counting.exists():
                counting.write_text(str(len(faults.calls)))
            return path

        loop.save = saving

    assert place.done(out=place.folder / "counted", before=count)[0] == 0
    last = int(counting.read_text())
    child = place.start(before=lambda: Faults(last, OSError(*FULL)).install(place.run))
    assert child.wait() == 6, child.text
    assert [event.what for event in child.events if event.what in {"saved", "finished"}] == ["finished"]
    assert child.last("step") == 2  # and nothing went on behind its back


SCENARIOS: dict[str, Callable[[Place], None]] = {
    function.__name__: function
    for function in (
        two_runs, stale_lock, lock_of_another_host, clock_that_goes_back, finished, at_step_zero, in_the_way,
        *((without_rights,) if os.geteuid() == 0 else ()), claimed_too_early,
    )
}  # fmt: skip


def played(item: dict[str, str]) -> str:
    """One scenario; what was wrong with it, or nothing."""
    try:
        SCENARIOS[item["name"]](Place(Path(item["folder"])))
    except AssertionError:
        import traceback

        return traceback.format_exc()
    return ""


def test_scenarios(tmp_path):
    items = [{"name": name, "folder": str(tmp_path / name)} for name in SCENARIOS]
    wrong = dict(zip(SCENARIOS, spread(played, items, tmp_path), strict=True))
    assert "\n".join(f"{name}: {text}" for name, text in wrong.items() if text) == ""


@pytest.mark.reliability
def test_the_folders_of_a_run_are_recorded(tmp_path):
    begun = time.monotonic()
    items = [{"name": name, "folder": str(tmp_path / name)} for name in SCENARIOS]
    wrong = spread(played, items, tmp_path)
    values = {"scenarios": len(items), "as promised": wrong.count(""), "which": ", ".join(SCENARIOS).replace("_", " ")}
    record.figure(name="folders", goal="G9", values=values, seed=record.SEED, seconds=time.monotonic() - begun)
    assert "\n".join(wrong).strip() == ""


def stopped_and_resumed(item: dict[str, Any]) -> dict[str, Any]:
    """Stop at a seeded step with some workers and interval, go on with others."""
    place = Place(Path(item["folder"]))
    settings = [f"training.checkpoint_every={item['every']}"]
    child = place.start(f"data.workers={item['workers']}", *settings)
    child.until(2 + item["stop"])
    child.kill(signal.SIGTERM)
    codes = [child.wait(), place.done(f"data.workers={item['then']}")[0]]
    found, expected = end(place.run, STEPS)["files"], place.expected()["files"]
    tensors = ("weights.safetensors", "state.safetensors")  # the rest names the settings, which differ
    return {"codes": codes, "equal": all(found[name] == expected[name] for name in tensors)}


@pytest.mark.reliability
@pytest.mark.timeout(300)
def test_other_workers_and_intervals_change_no_bit(tmp_path):
    begun = time.monotonic()
    pairs = [(0, 2, 2), (1, 0, 3), (2, 4, 1), (4, 1, 5)]
    items = [
        {"folder": str(tmp_path / str(n)), "workers": workers, "then": then, "every": every, "stop": 1 + n}
        for n, (workers, then, every) in enumerate(pairs)
    ]
    found = spread(stopped_and_resumed, items, tmp_path)
    values = {"workers before, after, interval": str(pairs), "bit-identical ends": sum(one["equal"] for one in found)}
    record.figure(
        name="other workers and intervals", goal="G3", values=values, seed=0, seconds=time.monotonic() - begun
    )
    assert all(one["equal"] for one in found), found
    assert all(one["codes"][1] == 0 for one in found), found
