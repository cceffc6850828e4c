"""SIGKILL at random moments: nothing unreadable, at most one interval lost, and the same bits in the end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import record
import yaml
from small_sets import small_settings, write_small_sets
from support_ends import end, whole
from support_faults import use_naive_save
from support_forks import TOY, Child, run, spread, write_toy

SHIPPED = ("pix2pix", "cyclegan", "wgan_gp")  # besides the toy with everything that has a state
INTERVAL = 2
SMALLEST_SHARE = 0.1  # of the kills, inside a save or a prune

Weak = Callable[[], None]


def pipelines(folder: Path, names: tuple[str, ...]) -> dict[str, tuple[Path, int]]:
    """Pipelines by name, as files, with their number of steps."""
    found = {"toy": (write_toy(folder / "toy.yaml", checkpoint_every=INTERVAL), int(TOY["training"]["steps"]))}
    if names:
        write_small_sets(folder / "data", size=40)
    for name in names:
        from translate.pipeline import load_pipeline

        settings = [*small_settings(name, folder / "data"), "training.steps=6", "training.preview_every=0"]
        settings += [f"training.checkpoint_every={INTERVAL}", "training.keep_checkpoints=2", "training.device=cpu"]
        resolved = load_pipeline(name, [*settings, "training.observers=[metrics_file]"]).resolved
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(resolved), sort_keys=False), encoding="utf-8")
        found[name] = (folder / f"{name}.yaml", 6)
    return found


class Moments:
    """Chooses when to kill: after the n-th thing that a training told, by at most as long as the next one takes."""

    def __init__(self, child: Child, *, in_saves: bool) -> None:
        times = [event.at for event in child.events]
        self.gaps = [second - first for first, second in zip(times, [*times[1:], times[-1] + 0.02], strict=True)]
        indices = range(len(child.events))
        saves = [n for n in indices if child.events[n].what == "step" and child.events[n].step % INTERVAL == 0]
        self.chosen = (saves,) if in_saves else (indices, indices, saves)  # a third of them aim at a save

    def choose(self, generator: random.Random) -> tuple[int, float]:
        """How many events to wait for, and how long then."""
        index = generator.choice(generator.choice(self.chosen))
        return index + 1, generator.random() * self.gaps[index]


def killed_runs(item: dict[str, Any]) -> dict[str, Any]:
    """As many killed runs of one pipeline as wanted, each followed by the same command, to the end."""
    folder, steps = Path(item["folder"]), item["steps"]
    folder.mkdir()
    generator = random.Random(item["seed"])
    weak: Weak | None = use_naive_save if item.get("weak") else None
    undisturbed = run(folder / "undisturbed", item["pipeline"])
    assert undisturbed.wait() == 0, undisturbed.text
    expected = end(folder / "undisturbed", steps)
    moments = Moments(undisturbed, in_saves=weak is not None)
    counted: dict[str, Any] = {"kills": 0, "inside": 0, "unreadable": 0, "lost": 0, "unkept": 0, "ends": 0, "wrong": [],
                               "at": {}, "runs": 0}  # fmt: skip
    number = 0
    while counted["runs"] < item["runs"] and not (weak and counted["unreadable"]):
        number += 1
        trial, before = folder / str(number), counted["kills"]
        for _ in range(generator.choice((1,) * 7 + (2,))):  # now and then the run that goes on is killed too
            kill_once(trial, item["pipeline"], moments, generator, counted, weak)
        if counted["kills"] == before:  # it had ended already
            continue
        counted["runs"] += 1
        if weak:
            continue
        child = run(trial, item["pipeline"])
        code = child.wait()
        if code == 0 and end(trial, steps) == expected:
            counted["ends"] += 1
        else:
            counted["wrong"].append(f"{item['name']} trial {number}: exit {code}, {child.text[-2000:]}")
        shutil.rmtree(trial)
    return counted


def kill_once(
    trial: Path, pipeline: str, moments: Moments, generator: random.Random, counted: dict[str, Any], weak: Weak | None
) -> None:
    """Start or go on, kill, and look at what is there."""
    before = whole(trial)["newest"] if trial.exists() else 0
    child = run(trial, pipeline, before=weak)
    count, delay = moments.choose(generator)
    if child.until(count):
        time.sleep(delay)
    child.kill()
    if child.wait() != -signal.SIGKILL:
        return
    found = whole(trial) if trial.exists() else {"newest": 0, "unreadable": 0, "left": []}
    done = max(child.last("step"), before)
    counted["kills"] += 1
    counted["inside"] += any(name.startswith("checkpoints") for name in found["left"])
    counted["unreadable"] += found["unreadable"]
    counted["lost"] += done - found["newest"] > INTERVAL
    counted["unkept"] += found["newest"] < child.last("saved")  # it had said that this one was saved
    last = child.events[-1].what if child.events else "begun"
    counted["at"][last] = counted["at"].get(last, 0) + 1


def kill(folder: Path, *, runs: int, names: tuple[str, ...], seed: int, weak: bool = False) -> dict[str, Any]:
    """Spread so many killed runs over pipelines and drivers; sums."""
    shares = []
    for name, (pipeline, steps) in pipelines(folder, names).items():
        for part in range(2):
            share = {"name": name, "pipeline": str(pipeline), "steps": steps, "seed": f"{seed}/{name}/{part}"}
            shares.append({**share, "folder": str(folder / f"{name}-{part}"), "weak": weak})
    for index, share in enumerate(shares):
        share["runs"] = runs // len(shares) + (index < runs % len(shares))
    sums: dict[str, Any] = {"at": {}, "wrong": []}
    for found in spread(killed_runs, shares, folder):
        for key, value in found.items():
            if key == "at":
                sums["at"] = {what: sums["at"].get(what, 0) + value.get(what, 0) for what in {*sums["at"], *value}}
            else:
                sums[key] = sums[key] + value if key in sums else value
    return sums


def promises(found: dict[str, Any]) -> None:
    assert found["unreadable"] == 0, found
    assert found["lost"] == 0, found
    assert found["unkept"] == 0, found
    assert found["wrong"] == [], found
    assert found["ends"] == found["runs"] <= found["kills"]


def test_a_few_kills(tmp_path):
    found = kill(tmp_path, runs=6, names=(), seed=record.SEED)
    promises(found)
    assert found["runs"] == 6


@pytest.mark.reliability
@pytest.mark.timeout(7200)
def test_random_kills(tmp_path):
    bench = record.SIZE == "bench"
    runs, begun, cpu = 2000 if bench else 200, time.monotonic(), os.times()
    found = kill(tmp_path, runs=runs, names=SHIPPED if bench else (), seed=record.SEED)
    now = os.times()
    values = {
        "SIGKILLs": found["kills"],
        "inside a save or prune": found["inside"],
        "unreadable": found["unreadable"],
        "lost more than one interval": found["lost"],
        "claimed but not there": found["unkept"],
        "runs": found["runs"],
        "bit-identical ends": found["ends"],
        "pipelines": 1 + len(SHIPPED) * bench,
        "killed after": dict(sorted(found["at"].items())),
        "CPU seconds": now.children_user + now.children_system - cpu.children_user - cpu.children_system,
    }
    record.figure(name="random kills", goal="G1", values=values, seed=record.SEED, seconds=time.monotonic() - begun)
    promises(found)
    assert found["runs"] == runs
    assert found["inside"] >= SMALLEST_SHARE * found["kills"], json.dumps(
        found
    )  # else the kills missed what they were for


def test_the_harness_finds_a_naive_writer(tmp_path):
    found = kill(tmp_path, runs=80, names=(), seed=record.SEED, weak=True)
    assert found["unreadable"] > 0
