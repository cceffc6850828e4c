"""The record of the reliability figures: what was measured, when, where, with which seed, and by which command.

Each harness in this folder states its result with one call of `figure`. Only the tests marked `reliability` are
recorded; their small forms in the default suite are not.

    pytest -m reliability tests/reliability                 the figures that every change is held to (minutes)
    RELIABILITY_SIZE=bench ...                              the long form of the same tests
    RELIABILITY_SEED=5 ...                                  another seed than 0
    RELIABILITY_RECORD=1 ...                                append to docs/reliability.jsonl, draw docs/reliability.md
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RECORDS: Final = ROOT / "docs" / "reliability.jsonl"
TABLE: Final = ROOT / "docs" / "reliability.md"

SIZE: Final = os.environ.get("RELIABILITY_SIZE", "ci")
SEED: Final = int(os.environ.get("RELIABILITY_SEED", "0"))

GOALS: Final = {
    "G1": "Killed at any moment: every checkpoint readable, at most one interval lost, the end bit-identical.",
    "G2": "Stop signals: saved at the interrupted step, documented exit code, within 5 seconds.",
    "G3": "Stopped and resumed anywhere: bit-identical to a run that was never stopped.",
    "G4": "Damaged pipelines: exit 2 with the line, the right suggestion; no traceback, no hang, no crash.",
    "G5": "Damaged pictures: no death, every bad file named, bombs refused on the header, modes pixel-exact.",
    "G6": "Damaged checkpoints: every flipped bit and cut noticed; those of all released versions open.",
    "G7": "Hostile files: no canary created; none of the forbidden calls in the source.",
    "G8": "Bad plugins: each named with distribution and version; none stops an unrelated pipeline.",
    "G9": "The disk refuses at every write of a save: exit 6, the checkpoint before intact, nothing left behind.",
    "G10": "Numbers: a step with a loss or gradient that is not finite is not taken; exit 7; no false alarm.",
    "G11": "ONNX: equal to PyTorch; damaged and hostile files refused.",
    "G12": "Messages: at most 4 lines, what, where, fix, code; no traceback.",
    "G13": "Bad news comes within 5 seconds after the start; 10,000 pictures are checked within 10 seconds.",
    "G14": "Several processes: one killed, raising or signalled ends all in 15 seconds with one message.",
    "G15": "Exports and checkpoints hold no path, user or host name.",
}

_test: dict[str, Any] = {"marked": False}  # the test in progress; see conftest.py


def figure(*, name: str, goal: str, values: Mapping[str, Any], seed: int, seconds: float) -> dict[str, Any]:
    """State what a harness measured.

    Args:
        name: Of the harness, as it is told apart from the others of the same goal.
        goal: One of `GOALS`.
        values: Numbers or short texts by what they are.
        seed: Of everything that was random.
        seconds: Of the whole harness by the clock.

    Returns:
        The line of the record; appended to it where `RELIABILITY_RECORD` is set and the test is a marked one.
    """
    import torch

    assert goal in GOALS, goal
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    entry = {
        "goal": goal,
        "name": name,
        "values": {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()},
        "size": SIZE,
        "seed": seed,
        "seconds": round(seconds, 1),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} CPU cores ({platform.machine()}), {device}",
        "versions": f"Python {platform.python_version()}, torch {torch.__version__}",
        "test": test,
    }
    if os.environ.get("RELIABILITY_RECORD") and _test["marked"]:
        with RECORDS.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # of the processes of pytest-xdist one at a time, until it is closed
            file.write(json.dumps(entry) + "\n")
            file.flush()
            TABLE.write_text(table(read_records()), encoding="utf-8")
    return entry


def read_records() -> list[dict[str, Any]]:
    """All that was recorded; the newest of equal harnesses (goal, name, size, seed) in the place of older ones."""
    newest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in RECORDS.read_text(encoding="utf-8").splitlines() if RECORDS.exists() else ():
        entry = json.loads(line)
        newest[entry["goal"], entry["name"], entry["size"], entry["seed"]] = entry
    return sorted(newest.values(), key=lambda e: (int(e["goal"][1:]), e["name"], e["size"] != "ci", e["seed"]))


def table(entries: Sequence[Mapping[str, Any]]) -> str:
    """The record as a page: one section for each goal, one row for each harness."""
    lines = [
        "# Reliability figures",
        "",
        "Generated from `docs/reliability.jsonl` by the tests in `tests/reliability`; not edited by hand. Each of them",
        "fails where its promise does not hold, and beside it another one shows that it finds a planted weakness.",
        "Command of a row: `pytest -m reliability -n 0 TEST`, with `RELIABILITY_SIZE=bench` for the size bench; all of",
        "them: `tests/reliability/record.py`.",
    ]
    for goal in sorted({entry["goal"] for entry in entries}, key=lambda goal: int(goal[1:])):
        own = [entry for entry in entries if entry["goal"] == goal]
        lines += ["", f"## {goal}", "", GOALS[goal], ""]
        lines += ["| what | measured | size | seed | time | date |", "|---|---|---|---|---|---|"]
        lines += [_row(entry) for entry in own]
        lines += ["", *_once(f"Test: `{entry['test']}`" for entry in own if entry["test"])]
        lines += [*_once(f"Hardware: {entry['hardware']}; {entry['versions']}" for entry in own)]
    return "\n".join(lines) + "\n"


def _row(entry: Mapping[str, Any]) -> str:
    measured = "; ".join(f"{key}: {_shown(value)}" for key, value in entry["values"].items())
    cells = [entry["name"], measured, entry["size"], entry["seed"], f"{entry['seconds']:g} s", entry["date"]]
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def _once(lines: Any) -> list[str]:
    return [f"- {line}" for line in dict.fromkeys(lines)]
