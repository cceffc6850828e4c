"""Reproduction checks: what each one trains, what it must reach, which controls must fail, and the record of it all.

A check is a claim about a model that can be measured: a training with its thresholds, and *controls*, trainings in
which one thing is broken on purpose, which must miss the thresholds. Each is run for several seeds, and two of three
seeds must reach the thresholds. Sizes are meant for two processor cores; full sizes, for a GPU, stand beside them.

    pytest -m reproduction -n 0 -s tests/reproduction                       everything (hours)
    pytest -m reproduction -n 0 -s tests/reproduction -k 'B10_negative'     one check
    REPRODUCTION_SEEDS=3,4,5    other seeds                REPRODUCTION_SIZE=full    the sizes for a GPU
    REPRODUCTION_RUNS=FOLDER    keep the runs there; a run that is complete is not trained again, and a control that
                                changes nothing but what is measured uses that of the check
    REPRODUCTION_RECORD=1       append what was measured to docs/reproduction.jsonl, and draw docs/reproduction.md anew
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RECORDS: Final = ROOT / "docs" / "reproduction.jsonl"
TABLE: Final = ROOT / "docs" / "reproduction.md"

SEEDS: Final = tuple(int(seed) for seed in os.environ.get("REPRODUCTION_SEEDS", "0,1,2").split(","))
FULL: Final = os.environ.get("REPRODUCTION_SIZE", "small") == "full"

SEEDS_NEEDED: Final = 3

Values = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """One threshold: a measured value between two numbers."""

    value: str
    least: float = float("-inf")
    most: float = float("inf")

    def holds(self, values: Values) -> bool:
        """Whether the value is there and lies between the two."""
        return self.least <= values.get(self.value, float("nan")) <= self.most

    def __str__(self) -> str:
        if self.least == float("-inf"):
            return f"{self.value} <= {self.most:g}"
        if self.most == float("inf"):
            return f"{self.value} >= {self.least:g}"
        return f"{self.least:g} <= {self.value} <= {self.most:g}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training of a check, ready to start.

    Attributes:
        seed: Seed of the training.
        folder: Where its runs are kept.
        data: The folder of small real data sets.
        changes: What a control changes; empty for the check itself.
    """

    seed: int
    folder: Path
    data: Path
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Check:
    """One claim about a model.

    Attributes:
        name: As in the list of checks, with the variant.
        claim: What is shown, in one sentence.
        needs: Folders of the shared data that it reads.
        measure: Trains and measures.
        bounds: What must be reached.
        controls: Overrides of the pipeline by name, each of which must miss a bound.
        note: What a reader should know beside the figures.
        best: What the best of three seeds must reach besides.
    """

    name: str
    claim: str
    needs: Sequence[str]
    measure: Callable[[Run], Values]
    bounds: Sequence[Bound]
    controls: Mapping[str, Sequence[str]] = field(default_factory=dict)
    note: str = ""
    best: Sequence[Bound] = ()

    def reached(self, values: Values) -> bool:
        """Whether all thresholds are met."""
        return all(bound.holds(values) for bound in self.bounds)

    def is_best(self, values: Values) -> bool:
        """Whether a seed is as good as the best one must be."""
        return self.reached(values) and all(bound.holds(values) for bound in self.best)


def trained(pipeline: str, settings: Sequence[str], run: Run, *, name: str = "run") -> tuple[Path, float]:
    """Train a pipeline with a run's seed and changes; returns its folder and the seconds that the training took.

    Changes come last, so that a control breaks what the settings say.
    """
    from translate.training import train

    quiet = ["training.preview_every=0", "training.observers=[metrics_file]", "training.keep_checkpoints=1"]
    often = ["training.checkpoint_every=1000000", f"training.seed={run.seed}", "data.workers=0"]
    folder, kept = run.folder / name, run.folder / f"{name}.seconds"
    began = time.perf_counter()
    train(pipeline, [*settings, *quiet, *often, *run.changes], out=folder)
    if not kept.exists():  # else it was trained by an earlier call
        kept.write_text(f"{time.perf_counter() - began:.1f}\n", encoding="utf-8")
    return folder, float(kept.read_text(encoding="utf-8"))


def measured(folder: Path, *, overrides: Sequence[str] = (), count: int | None = None) -> dict[str, float]:
    """The metrics of a run on its test split; with a baseline `retrieval.NAME`, and `ratio.NAME` to it."""
    from translate.evaluation import evaluate

    report = evaluate(folder, overrides=overrides, count=count, batch_size=64)
    ratios = {f"ratio.{name}": value for name, value in report.ratio.items()}
    return {
        **report.values,
        **ratios,
        **{f"retrieval.{name}": value for name, value in (report.baseline or {}).items()},
    }


# -- the record -------------------------------------------------------------------------------------------------------


def record(check: Check, *, seed: int, control: str, values: Values, seconds: float) -> dict[str, Any]:
    """One line of the record."""
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    entry = {
        "check": check.name,
        "claim": check.claim,
        "bounds": [str(bound) for bound in check.bounds],
        "note": check.note,
        "control": control,
        "controls": sorted(check.controls),
        "seed": seed,
        "values": {name: round(float(value), 5) for name, value in values.items()},
        "reached": check.reached(values),
        **({"best": [str(bound) for bound in check.best], "is best": check.is_best(values)} if check.best else {}),
        "size": "full" if FULL else "small",
        "seconds": round(max(seconds, values.get("training", 0.0))),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "hardware": f"{device}, {os.cpu_count()} CPU cores ({platform.machine()}), {torch.get_num_threads()} threads",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}",
    }
    if os.environ.get("REPRODUCTION_RECORD"):
        with RECORDS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        TABLE.write_text(table(read_records()), encoding="utf-8")
    return entry


def read_records(path: Path = RECORDS) -> list[dict[str, Any]]:
    """All that was recorded, the newest of equal runs (check, control, seed, size) in the place of older ones."""
    if not path.exists():
        return []
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        newest[entry["check"], entry["control"], entry["seed"], entry["size"]] = entry
    return sorted(
        newest.values(), key=lambda e: (_order(e["check"]), e["size"], e["control"] != "", e["control"], e["seed"])
    )


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """The record as a page: for each check what is claimed, what must be reached, and one row for each run."""
    lines = [
        "# Reproduction checks",
        "",
        "Generated from `docs/reproduction.jsonl` by the checks in `tests/reproduction`; not edited by hand. A check",
        "is reached when two of three seeds reach its bounds and every control misses them. What was missed stays.",
        "The command of each is `pytest -m reproduction -n 0 -s tests/reproduction -k NAME`; other seeds and sizes:",
        "`tests/reproduction/harness.py`.",
    ]
    groups = {entry["check"]: [other for other in entries if other["check"] == entry["check"]] for entry in entries}
    lines += ["", "| check | |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {verdict(group)} |" for name, group in groups.items()]
    for group in groups.values():
        lines += ["", *_section(group)]
    return "\n".join(lines) + "\n"


def verdict(entries: Sequence[Mapping[str, Any]]) -> str:
    """Whether a check is reached, missed, or not yet decided, in words."""
    own = [bool(entry["reached"]) for entry in entries if not entry["control"]]
    controls = [bool(entry["reached"]) for entry in entries if entry["control"]]
    counted = f"{sum(own)} of {len(own)} seeds reach the bounds"
    if controls:
        counted += f", {len(controls) - sum(controls)} of {len(controls)} control runs miss them"
    needs_control = any(entry.get("controls", True) for entry in entries)
    best = [bool(entry.get("is best", True)) for entry in entries if not entry["control"]]
    if not all(best):
        counted += f", {sum(best)} those of the best"
    enough = len(own) >= SEEDS_NEEDED
    if any(controls) or (enough and (3 * sum(own) < 2 * len(own) or not any(best))):
        return f"**Missed**: {counted}"
    if enough and (controls or not needs_control):
        return f"**Reached**: {counted}"
    return f"**Incomplete**: {counted}" + ("" if controls or not needs_control else ", no control was run")


def _section(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    newest = max(entries, key=lambda entry: entry["date"])
    shown = [name for name in newest["values"] if any(name in entry["values"] for entry in entries)]
    head = ["run", "seed", *shown, "bounds", "time", "size", "date"]
    lines = [
        f"## {newest['check'].replace('_', ' ')}",
        "",
        newest["claim"],
        "",
        f"Bounds: {'; '.join(newest['bounds'])}"
        + (f"; of the best seed: {'; '.join(newest['best'])}" if newest.get("best") else "")
        + f". {verdict(entries)}."
        + (f" {newest['note']}" if newest["note"] else ""),
        "",
        f"Hardware of the newest run: {newest['hardware']}; {newest['versions']}.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for entry in entries:
        cells = [f"control: {entry['control']}" if entry["control"] else "check", str(entry["seed"])]
        cells += [f"{entry['values'][name]:.4g}" if name in entry["values"] else "-" for name in shown]
        cells += ["reached" if entry["reached"] else "missed", f"{entry['seconds']} s", entry["size"], entry["date"]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _order(name: str) -> tuple[str, int, str]:
    head = name.partition("_")[0]
    return head[0], int(head[1:] or 0), name
