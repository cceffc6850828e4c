"""Stopped anywhere and gone on: every bit as in a run that was never stopped.

Four pipelines, each stopped at five points (the first step, the middle, the end of an epoch and the step before it,
while a preview is made) and continued, by no worker process and by two, in one process and in two.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import record
from small_sets import small_settings, write_small_sets
from support_bits import difference, fingerprints
from support_forks import run, spread
from support_ranks import ended, ranks

from translate import hookimpl
from translate.plugin_manager import default_manager
from translate.training.checkpoint import find_checkpoints

Stop = tuple[str, int]


@dataclass(frozen=True)
class Case:
    """How a pipeline is cut.

    Attributes:
        settings: Besides those that make it small.
        stops: After a step, or in the preview of one.
        two: Settings with which two processes can share its batches.
    """

    settings: tuple[str, ...]
    stops: tuple[Stop, ...]
    two: tuple[str, ...] = ()


CASES = {
    "cyclegan": Case(  # epochs of 4 steps; pools that give old pictures back; dropout-free, augmented
        (
            "training.steps=7", "training.preview_every=6", "training.batch_size=1",
            *(f"losses.adversarial_{x}.fake=D_{x}(pool(fake_{x}, size=2))" for x in "ab"),
            "schedules.rate.start=2", "schedules.rate.end=7", "training.ema={decay: 0.9}",
        ),
        (("step", 1), ("step", 2), ("step", 3), ("step", 4), ("preview", 6)),
        ("training.batch_size=2",),
    ),
    "progan": Case(  # epochs of 2 steps; phases begin at 1, 3, 5 and 7, their batches are of 2 and of 3
        ("training.preview_every=6",),
        (("step", 1), ("step", 2), ("step", 4), ("step", 7), ("preview", 6)),
        ("training.batch_size=4", *(f"phases.{index}.training.batch_size=6" for index in (2, 3))),
    ),
    "stylegan": Case(  # epochs of 2 steps; the mean code, noise in every layer, mixed styles, an average
        ("training.steps=5", "training.preview_every=3"),
        (("step", 1), ("step", 2), ("step", 3), ("step", 4), ("preview", 3)),
        ("training.batch_size=4",),
    ),
    "infogan": Case(  # epochs of 6 steps; two draws of latents an iteration, batch statistics
        ("training.steps=8", "training.preview_every=4", "training.batch_size=4"),
        (("step", 1), ("step", 3), ("step", 5), ("step", 6), ("preview", 4)),
    ),
}  # fmt: skip
PIPELINES = sorted(name for name, _ in default_manager().catalogue.pipelines.items())
BENCH = {
    name: Case(("training.steps=4", "training.preview_every=2"), (("step", 1), ("step", 3), ("preview", 2)))
    for name in PIPELINES
    if name not in CASES
}
VARIANTS = {
    "bf16": ("training.precision=bf16",),
    "fp16": ("training.precision=fp16",),
    "accumulated": ("training.batch_size=4", "training.accumulate=2"),
}


class Interrupter:
    """Asks the run to stop, as a scheduler would."""

    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    @hookimpl
    def translate_step_finished(self, step: int) -> None:
        self._look("step", step)

    @hookimpl
    def translate_preview_ready(self, step: int) -> None:
        self._look("preview", step)

    def _look(self, what: str, step: int) -> None:
        if (what, step) == self.stop:
            os.kill(os.getpid(), signal.SIGTERM)


def interrupted_at(stop: Stop) -> Callable[..., None]:
    def before(_: int = 0) -> None:
        default_manager().register(Interrupter(stop), name="interrupter")

    return before


def once(folder: Path, item: dict[str, Any], before: Callable[..., None] | None = None) -> list[int]:
    """Train once, to the end or to the stop; returns the exit codes."""
    words = (item["pipeline"], *item["settings"])
    if item["processes"] > 1:
        return ended(ranks(folder, *words, world_size=item["processes"], before=before))[0]
    return [run(folder, *words, before=before).wait()]


def trial(item: dict[str, Any]) -> dict[str, Any]:
    """One training that is stopped and continued, and one that is not (kept for the next trial of its kind)."""
    folder, whole = Path(item["folder"]), Path(item["whole"])
    problems: list[str] = []
    if not whole.exists() and (codes := once(whole, item)) != [0] * item["processes"]:
        problems.append(f"the whole run ended with {codes}: {_texts(whole)}")
    codes = once(folder, item, interrupted_at(tuple(item["stop"])))
    saved = [step for step, _ in find_checkpoints(folder / "checkpoints")]
    if codes != [75] * item["processes"] or saved[-1:] != [item["stop"][1]]:
        problems.append(f"the stopped run ended with {codes}, saved at {saved}: {_texts(folder)}")
    kept = folder.with_name(f"{folder.name}-cut")
    if item.get("weaknesses"):
        shutil.copytree(folder, kept)
    if (codes := once(folder, item)) != [0] * item["processes"]:
        problems.append(f"the continued run ended with {codes}: {_texts(folder)}")
    differing = [] if problems else difference(fingerprints(whole), fingerprints(folder))
    noticed = {}
    for weakness in item.get("weaknesses", ()):
        weak = folder.with_name(f"{folder.name}-{weakness}")
        shutil.copytree(kept, weak)
        codes = once(weak, item, lambda weakness=weakness: forget(weakness))
        noticed[weakness] = difference(fingerprints(whole), fingerprints(weak)) if codes == [0] else [f"exit {codes}"]
    return {"problems": problems, "differing": differing, "noticed": noticed}


def _texts(folder: Path) -> str:
    return " / ".join(path.read_text() for path in sorted(folder.parent.glob(f"{folder.name}*.log")))


def forget(part: str) -> None:
    """Weaken the product in this process: a part of the state is not put back."""
    from translate.training import loop, state

    load = state.load_checkpoint
    if part == "rng":
        loop.restore_random = lambda *_: None  # type: ignore[assignment]
        return

    def instead(path: Path) -> Any:
        checkpoint = load(path)
        found: Any = checkpoint.state
        if part == "sites":
            for rank in found["ranks"]:
                rank["sites"] = {}
        elif part == "moments":
            for optimizer in found["optimizers"].values():
                optimizer["state"] = {}
        elif part == "ema":
            found["ema"] = {"updates": 0}
        else:
            found[part] += 1
        return checkpoint

    state.load_checkpoint = instead


def items_of(
    names: Sequence[str], data: Path, folder: Path, *, workers: Sequence[int] = (0, 2), processes: int = 1,
    stops: Sequence[int] | None = None, more: tuple[str, ...] = (), label: str = "",
) -> list[dict[str, Any]]:  # fmt: skip
    """The trials of some pipelines, those that share a whole run beside each other."""
    items = []
    for name in names:
        case = (BENCH | CASES)[name]
        own = [*case.settings, *(case.two if processes > 1 else ()), *more, "training.observers=[metrics_file]"]
        for number, stop in enumerate(case.stops):
            for count in workers if stops is None or number in stops else ():
                key = f"{name}-{processes}{label}-{number}-{count}"
                settings = [*small_settings(name, data), *own, f"data.workers={count}", "training.device=cpu"]
                items.append({
                    "pipeline": name, "settings": settings, "stop": stop, "processes": processes,
                    "folder": str(folder / key), "whole": str(folder / f"{name}-{processes}{label}-whole"),
                })  # fmt: skip
    return items


def measured(items: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Do all trials; returns how many ended in the same bits, and what is wrong with the others."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(item["whole"], []).append(item)
    found = spread(lambda group: [trial(item) for item in group], list(groups.values()), folder)
    results = [result for group in found for result in group]
    keys = [item["folder"].rpartition("/")[2] for group in groups.values() for item in group]
    wrong = {
        key: result["problems"] or result["differing"]
        for key, result in zip(keys, results, strict=True)
        if result["problems"] or result["differing"]
    }
    return {
        "trials": len(results),
        "identical": len(results) - len(wrong),
        "wrong": wrong,
        "noticed": [result["noticed"] for result in results],
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("small_data")
    write_small_sets(root)
    return root


WEAKNESSES = {
    "cyclegan": ("sites", "examples", "moments", "ema", "rng"),
    "stylegan": ("rng", "ema", "draws", "sites", "moments"),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [1, pytest.param(None, marks=pytest.mark.reliability)], ids=["one", "all"])
def test_a_sample_is_identical_and_a_part_left_out_is_noticed(count, data, tmp_path):
    """Teeth: each part of the state in turn is forgotten by the run that goes on, and the comparison must say so."""
    items = [
        *items_of(["cyclegan"], data, tmp_path, workers=[2], stops=[2]),
        *items_of(["stylegan"], data, tmp_path, workers=[0], stops=[4]),
    ]
    for item in items:
        item["weaknesses"] = WEAKNESSES[item["pipeline"]][:count]
    found = measured(items, tmp_path)
    assert found["identical"] == len(items), found["wrong"]
    for noticed in found["noticed"]:
        assert all(noticed.values()), noticed


@pytest.mark.timeout(300)
def test_a_sample_of_two_processes_is_identical(data, tmp_path):
    found = measured(items_of(["cyclegan"], data, tmp_path, workers=[0], stops=[4], processes=2), tmp_path)
    assert found["identical"] == 1, found["wrong"]


@pytest.mark.reliability
@pytest.mark.timeout(3600)
def test_all_are_identical(data, tmp_path):
    began = time.monotonic()
    bench = record.SIZE == "bench"
    items = items_of(list(CASES), data, tmp_path)
    if bench:
        items += items_of(list(BENCH), data, tmp_path)
        for label, settings in VARIANTS.items():
            items += items_of(["cyclegan", "stylegan"], data, tmp_path, workers=[0], more=settings, label=label)
    found = measured(items, tmp_path)
    assert found["wrong"] == {}
    assert bench or found["trials"] == 40
    record.figure(
        name="one process, workers 0 and 2",
        goal="G3",
        values={"pipelines": len(CASES) + bench * len(BENCH), **_counts(found)},
        seed=0,
        seconds=time.monotonic() - began,
    )


@pytest.mark.reliability
@pytest.mark.timeout(3600)
def test_all_are_identical_in_two_processes(data, tmp_path):
    began = time.monotonic()
    bench = record.SIZE == "bench"
    stops = None if bench else [4]
    items = items_of(list(CASES), data, tmp_path, workers=[0, 2] if bench else [0], stops=stops, processes=2)
    found = measured(items, tmp_path)
    assert found["wrong"] == {}
    record.figure(
        name="two processes (gloo)",
        goal="G3",
        values={"pipelines": len(CASES), **_counts(found)},
        seed=0,
        seconds=time.monotonic() - began,
    )


def _counts(found: dict[str, Any]) -> dict[str, Any]:
    return {"stopped and resumed": found["trials"], "identical": found["identical"]}
