"""Runs every reproduction check with its controls; see `harness` for the commands."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import harness
import pytest
from autoencoders import AUTOENCODERS
from conditional import CONDITIONAL
from generative import GENERATIVE
from paired import PAIRED
from progressive import PROGRESSIVE
from style import STYLE
from toy_points import TOYS
from unpaired import UNPAIRED

CHECKS = [*TOYS, *UNPAIRED, *PAIRED, *STYLE, *GENERATIVE, *AUTOENCODERS, *PROGRESSIVE, *CONDITIONAL]
RUNS = [
    pytest.param(check, control, seed, id=f"{check.name}-{control or 'check'}-{seed}")
    for check in CHECKS
    for control in ("", *check.controls)
    for seed in harness.SEEDS
]
found: dict[tuple[str, str], list[bool]] = {}
best: dict[str, list[bool]] = {}


@pytest.mark.reproduction
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("check", "control", "seed"), RUNS)
def test_run(check: harness.Check, control: str, seed: int, shared_data: Path, tmp_path: Path) -> None:
    """Train and measure; what it must reach is judged over all seeds below."""
    missing = [name for name in check.needs if not (shared_data / name).is_dir()]
    if missing:
        pytest.skip(f"the data sets {', '.join(missing)} are not there")
    kept = os.environ.get("REPRODUCTION_RUNS")
    changes = tuple(check.controls[control]) if control else ()
    # A control that only measures otherwise has the training of the check itself.
    trained_as = control if any(not change.startswith("evaluation.") for change in changes) else "check"
    folder = Path(kept) / f"{check.name}-{trained_as}-{seed}" if kept else tmp_path
    began = time.perf_counter()
    values = check.measure(harness.Run(seed=seed, folder=folder, data=shared_data, changes=changes))
    entry = harness.record(check, seed=seed, control=control, values=values, seconds=time.perf_counter() - began)
    state = "reached" if entry["reached"] else "missed"
    print(f"\n{check.name} {control or 'check'} seed {seed}: {entry['values']} {state}")
    found.setdefault((check.name, control), []).append(bool(entry["reached"]))
    if not control:
        best.setdefault(check.name, []).append(check.is_best(values))


@pytest.mark.reproduction
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_claim(check: harness.Check) -> None:
    """Two of three seeds reach the bounds, and no control does."""
    own = found.get((check.name, ""), [])
    if len(own) < 2:
        pytest.skip(f"{len(own)} seeds of {check.name} were run here")
    assert sum(own) * 3 >= 2 * len(own), f"{sum(own)} of {len(own)} seeds reach the bounds"
    if len(own) >= harness.SEEDS_NEEDED:
        assert any(best[check.name]), f"no seed reaches {'; '.join(map(str, check.best))}"
    for control in check.controls:
        assert not any(found.get((check.name, control), [])), f"the control '{control}' reaches the bounds"


def test_the_table_is_generated() -> None:
    assert harness.TABLE.read_text(encoding="utf-8") == harness.table(harness.read_records())


def test_a_bound_bites() -> None:
    bound = harness.Bound(value="x", least=0.5, most=1)
    assert bound.holds({"x": 0.5})
    assert not bound.holds({"x": 1.1})
    assert not bound.holds({"x": float("nan")})
    assert not bound.holds({})


def entries(*values: float) -> list[dict[str, Any]]:
    """Records of a check whose seeds found these values, with a control that missed."""
    check = harness.Check(
        name="A0_x",
        claim="",
        needs=[],
        measure=lambda _: {},
        bounds=[harness.Bound(value="x", least=0.5)],
        best=[harness.Bound(value="x", least=0.9)],
        controls={"broken": ()},
    )
    own = [harness.record(check, seed=n, control="", values={"x": x}, seconds=1) for n, x in enumerate(values)]
    return [*own, harness.record(check, seed=0, control="broken", values={"x": 0}, seconds=1)]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.6, 0.6, 0.95), "**Reached**"),
        ((0.6, 0.1, 0.95), "**Reached**"),
        ((0.6, 0.6, 0.6), "**Missed**"),  # none is as good as the best must be
        ((0.1, 0.1, 0.95), "**Missed**"),
        ((0.95, 0.95), "**Incomplete**"),
    ],
)
def test_the_verdict_counts_seeds_and_asks_more_of_the_best(values, verdict, monkeypatch) -> None:
    monkeypatch.delenv("REPRODUCTION_RECORD", raising=False)
    assert harness.verdict(entries(*values)).startswith(verdict)


UNTRAINED = {"B0_judge", "D1_shape"}


class Checked(Exception):  # the end of a measurement that is not carried out
    """All pipelines up to the first measurement were looked at."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("check", "control", "seed"),
    [run for run in RUNS if run.values[0].name not in UNTRAINED and run.values[2] == harness.SEEDS[0]],
)
def test_its_pipelines_are_accepted(check: harness.Check, control: str, seed: int, shared_data: Path, monkeypatch):
    """The check before a training finds nothing in the pipelines of a check and of its controls."""
    from translate.data.stream import Stream
    from translate.pipeline import load_pipeline
    from translate.pipeline.checking import check as find_problems
    from translate.pipeline.opening import open_dataset, stream_settings

    looked_at: list[str] = []

    def trained(pipeline: str, settings: list[str], run: harness.Run, *, name: str = "run") -> tuple[Path, float]:
        loaded = load_pipeline(pipeline, [*settings, "data.workers=0", *run.changes])
        stream = Stream(open_dataset(loaded, "train"), stream_settings(loaded), batch_size=loaded.training.batch_size)
        find_problems(loaded, stream.fields)
        looked_at.append(name)
        return Path("nowhere"), 0.0

    def measured(*_: Any, **__: Any) -> dict[str, float]:
        raise Checked

    module = sys.modules[check.measure.__module__]
    monkeypatch.setattr(module, "trained", trained)
    monkeypatch.setattr(module, "measured", measured, raising=False)
    monkeypatch.setattr("translate.training.opening.open_trained", measured)
    changes = tuple(check.controls[control]) if control else ()
    with suppress(Checked, FileNotFoundError):  # of the checkpoints that nobody wrote
        check.measure(harness.Run(seed=seed, folder=Path("nowhere"), data=shared_data, changes=changes))
    assert looked_at
