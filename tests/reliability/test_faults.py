"""Every file operation of a save and a prune fails in turn: the process dies there, or the disk is full there."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import record
from support_ends import end, left, problems_of_block, whole
from support_faults import DEAD, FULL, Faults, use_naive_save, use_prune_before_save
from support_forks import run, spread, write_toy

BEFORE, STEP, STEPS = 6, 8, 8
MODES = ("killed", "full", "limit", "tmpfs", "start")
PAGE = os.sysconf("SC_PAGE_SIZE")


def prepared(folder: Path, **training: Any) -> tuple[Path, Path]:
    """A pipeline, and a run of it that is about to save its last checkpoint and to remove an old one."""
    folder.mkdir()
    pipeline = write_toy(folder / "toy.yaml", **training)
    child = run(folder / "base", pipeline, f"training.steps={BEFORE}")
    assert child.wait() == 0, child.text
    return pipeline, folder / "base"


def enumerated(
    pipeline: Path, base: Path, arm: Callable[[int, Path], None], *, chosen: Callable[[int], bool], disk: Path,
    weak: Callable[[], None] | None = None, most: int = 400,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Go on with a run to its save and fork there: the n-th child saves into a copy of the folder with the n-th fault.

    Args:
        pipeline: What is trained.
        base: The run.
        arm: Puts the n-th fault into a child, whose folder it is told.
        chosen: Which numbers to try.
        disk: Where the copies are saved into; they are kept elsewhere.
        weak: Weakens the product first.
        most: A limit, for an `arm` that never lets a save succeed.

    Yields:
        Number, exit code, output and folder of each child; the last one met no fault.
    """
    kept = base.parent / "kept"
    kept.mkdir()
    results = kept / "results.jsonl"

    def forking() -> None:
        from translate.training import loop

        if weak is not None:
            weak()
        save = loop.save

        def instead(trainer: Any, step: int) -> Path:
            if step != STEP:
                return save(trainer, step)
            for number in (n for n in range(most) if chosen(n)):
                trial, log = disk / str(number), kept / f"{number}.log"
                shutil.copytree(base, trial)
                (trial / "run.lock").unlink()
                numbers = random.getstate()  # Python seeds its generator anew in a forked child
                pid = os.fork()
                if not pid:
                    random.setstate(numbers)
                    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), 2)
                    trainer.folder = trial
                    arm(number, trial)
                    return save(trainer, step)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                (disk / "filler").unlink(missing_ok=True)
                shutil.move(trial, kept / str(number))
                with results.open("a", encoding="utf-8") as file:  # nothing may stay in a buffer that children inherit
                    file.write(json.dumps({"number": number, "code": code, "text": log.read_text()}) + "\n")
                if code == 0:
                    break
            os._exit(0)

        loop.save = instead

    child = run(base, pipeline, f"training.steps={STEPS}", before=forking)
    assert child.wait(600.0) == 0, child.text
    for line in results.read_text(encoding="utf-8").splitlines():
        shown = json.loads(line)
        yield {**shown, "folder": kept / str(shown["number"])}


def tried(item: dict[str, Any]) -> dict[str, Any]:
    """All faults of one mode; plain data of what was wrong."""
    mode, every, resumes = item["mode"], item["every"], item["resumes"]
    if mode == "start":
        return tried_at_start(item)
    folder = Path(item["folder"]) / mode
    weak = {"naive": use_naive_save, "prune first": use_prune_before_save}.get(item.get("weak", ""))
    pipeline, base = prepared(folder, keep_checkpoints=1 if weak else 2)
    expected = whole_end(folder, pipeline)
    offset = random.Random(item["seed"]).randrange(every)
    counted: dict[str, Any] = {"points": 0, "wrong": [], "new": 0, "resumed": 0}

    with disk_for(folder, mode) as disk:

        def arm(number: int, trial: Path) -> None:
            if mode == "limit":  # no file may grow beyond it
                limit = 600 + 2100 * number
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            elif mode == "tmpfs":
                fill(disk, leaving=number)
            else:
                error = OSError(*FULL) if mode == "full" else None
                Faults(number + 1, error).install(trial)

        for shown in enumerated(
            pipeline, base, arm, chosen=lambda n: n % every == offset, disk=disk, weak=weak, most=item.get("most", 400)
        ):
            trial = shown["folder"]
            if shown["code"] == 0:
                break
            counted["points"] += 1
            found = whole(trial)
            counted["new"] += found["newest"] == STEP
            where = f"{mode} {shown['number']}"
            counted["wrong"] += [f"{where}: {problem}" for problem in wrong(mode, shown, found)]
            if counted["points"] % resumes == 0:
                counted["resumed"] += 1
                child = run(trial, pipeline, f"training.steps={STEPS}")
                if child.wait() != 0:
                    counted["wrong"].append(f"{where}: going on failed: {child.text}")
                elif end(trial, STEPS) != expected:
                    counted["wrong"].append(f"{where}: another end")
            shutil.rmtree(trial, ignore_errors=True)
    return counted


def wrong(mode: str, shown: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What is not as it must be after one fault."""
    problems = [f"{found['unreadable']} unreadable"] if found["unreadable"] else []
    if found["newest"] not in {BEFORE, STEP}:
        problems.append(f"newest is {found['newest']}")
    if mode == "killed":
        return problems + ([f"exit {shown['code']}"] if shown["code"] != DEAD else [])
    problems += [f"exit {shown['code']}"] if shown["code"] != 6 else []
    # What cannot be removed stays, out of sight; the next start removes it.
    stays = [name for name in found["left"] if ".gone-" not in name]
    problems += [f"left behind: {stays}"] if stays else []
    return problems + problems_of_block(shown["text"], "E-MACHINE", "the disk is full", "are free", "checkpoints")


def tried_at_start(item: dict[str, Any]) -> dict[str, Any]:
    """A full disk at every operation of a start."""
    folder = Path(item["folder"]) / "start"
    folder.mkdir()
    pipeline = write_toy(folder / "toy.yaml")
    expected = whole_end(folder, pipeline)
    counted: dict[str, Any] = {"points": 0, "wrong": [], "new": 0, "resumed": 0}
    numbers = range(1, 40) if item["every"] == 1 else [1 + item["seed"] % 6]
    for number in numbers:
        trial = folder / str(number)
        child = run(trial, pipeline, before=lambda n=number, t=trial: Faults(n, OSError(*FULL)).install(t))
        code = child.wait()
        if whole(trial)["newest"]:  # the start is over
            break
        counted["points"] += 1
        if code != 6 or left(trial):
            counted["wrong"].append(f"start {number}: exit {code}, left {left(trial)}")
        counted["wrong"] += problems_of_block(child.text, "E-MACHINE", "the disk is full")
        child = run(trial, pipeline)
        counted["resumed"] += 1
        if child.wait() != 0 or end(trial, STEPS) != expected:
            counted["wrong"].append(f"start {number}: {child.text}")
    return counted


def whole_end(folder: Path, pipeline: Path) -> dict[str, Any]:
    """How a run ends that nothing happens to; also counts the operations of its saves, by two ways."""
    seen = folder / "operations.json"

    def counting() -> None:
        from translate.training import loop

        faults = Faults()
        faults.install(folder / "whole" / "checkpoints")
        save = loop.save

        def saving(trainer: Any, step: int) -> Path:
            path = save(trainer, step)
            faults.calls = [call for call in faults.calls if "checkpoints" in str(call[1])]
            seen.write_text(json.dumps({"layer": faults.counted(), "audit": faults.audited}))
            return path

        loop.save = saving

    child = run(folder / "whole", pipeline, f"training.steps={STEPS}", before=counting)
    assert child.wait() == 0, child.text
    counted = json.loads(seen.read_text())
    assert counted["layer"] == counted["audit"], counted  # nothing goes around the layer that the faults are put into
    return end(folder / "whole", STEPS)


@contextmanager
def disk_for(folder: Path, mode: str) -> Iterator[Path]:
    """Where the copies are saved into: a folder, or a small disk of its own."""
    disk = folder / "disk"
    disk.mkdir()
    if mode != "tmpfs":
        yield disk
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, *, leaving: int) -> None:
    """Fill a disk up to so many pages."""
    status = os.statvfs(disk)
    with (disk / "filler").open("wb") as file:
        file.write(b"\0" * (status.f_bavail * status.f_frsize - leaving * PAGE))


def can_mount(folder: Path) -> bool:
    place = folder / "tried"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode == 0:
        subprocess.run(["umount", str(place)], check=True)
    return made.returncode == 0


def all_modes(folder: Path, *, every: int, resumes: int, seed: int) -> dict[str, dict[str, Any]]:
    modes = [mode for mode in MODES if mode != "tmpfs" or (os.geteuid() == 0 and can_mount(folder))]
    items = [{"mode": m, "folder": str(folder), "every": every, "resumes": resumes, "seed": seed} for m in modes]
    return dict(zip(modes, spread(tried, items, folder), strict=True))


@pytest.mark.timeout(240)
def test_a_sample_of_the_points(tmp_path):
    seed = record.SEED
    for mode, found in all_modes(tmp_path, every=23, resumes=3, seed=seed).items():
        assert found["points"] >= 1, mode
        assert found["wrong"] == [], f"seed {seed}"


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_every_point(tmp_path):
    begun = time.monotonic()
    found = all_modes(tmp_path, every=1, resumes=1, seed=record.SEED)
    seconds = time.monotonic() - begun
    killed = found.pop("killed")
    values = {"points": killed["points"], "unreadable or lost": len(killed["wrong"]), "equal ends": killed["resumed"]}
    record.figure(name="killed at every file operation", goal="G1", values=values, seed=record.SEED, seconds=seconds)
    counts = {mode: one["points"] for mode, one in found.items()}
    values = {
        "full disk at": counts,
        "not exit 6, damaged or left behind": sum(len(one["wrong"]) for one in found.values()),
    }
    record.figure(name="full disk at every write", goal="G9", values=values, seed=record.SEED, seconds=seconds)
    assert killed["wrong"] == []
    assert killed["points"] >= 40
    assert 0 < killed["new"] < killed["points"]  # faults fell before and after the moment at which it counts
    for mode, one in found.items():
        assert one["wrong"] == [], mode
        assert one["points"] >= 5, mode


def test_the_harness_finds_weak_writers(tmp_path):
    item = {"mode": "killed", "every": 5, "resumes": 1000, "seed": 0, "most": 40}
    weak = {"naive": "unreadable", "prune first": "newest is 0"}
    items = [{**item, "folder": str(tmp_path / name), "weak": name} for name in weak]
    for name in weak:
        (tmp_path / name).mkdir()
    for name, found in zip(weak, spread(tried, items, tmp_path), strict=True):
        assert any(weak[name] in problem for problem in found["wrong"]), (name, found)
