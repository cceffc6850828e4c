"""What must be equal where two trainings are called the same: a hash of every part of what they left.

Also a script, for trainings in a process of their own: `python support_bits.py JOBS.json` trains what the file lists
and writes the hashes (`Job`, `together`).
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

PARTS: Final = ("weights", "ema", "optimizers", "sites", "rng", "position", "engine", "metrics")
"""`sites`: the memories of operations (pools, means of codes); `position`: draws, examples, phase, and all else."""

TIMES: Final = ("seconds_per_step", "time", "seconds")
"""Logged values that are no two times the same."""


def fingerprints(run: Path, parts: Sequence[str] = PARTS) -> dict[str, str]:
    """A hash of each part of a run's newest checkpoint, and of all that it logged."""
    from translate.training.checkpoint import find_checkpoints, load_checkpoint

    _, newest = find_checkpoints(run / "checkpoints")[-1]
    checkpoint = load_checkpoint(newest)
    state: Any = checkpoint.state
    averages = {name: value for name, value in checkpoint.weights.items() if name.startswith("ema/")}
    named = {"optimizers", "ema", "engine", "ranks", "sites", "rng"}
    others = [{key: value for key, value in part.items() if key not in named} for part in (state, *state["ranks"])]
    found = {
        "weights": {name: value for name, value in checkpoint.weights.items() if name not in averages},
        "ema": [averages, state["ema"]],
        "optimizers": state["optimizers"],
        "sites": [rank["sites"] for rank in state["ranks"]],
        "rng": [rank["rng"] for rank in state["ranks"]],
        "position": [checkpoint.step, others],
        "engine": state["engine"],
        "metrics": logged(run),
    }
    return {part: digest(found[part]) for part in parts}


def logged(run: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl` without times."""
    file = run / "metrics.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES} for line in lines]


def digest(value: Any) -> str:
    """A hash of a tree of tensors, numbers and texts: of their types and bits, and of the order of lists alone."""
    found = hashlib.sha256()
    for piece in _pieces(value):
        found.update(piece + b"\0")
    return found.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    import torch

    if isinstance(value, torch.Tensor):
        yield f"{value.dtype} {tuple(value.shape)}".encode()
        yield value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    elif isinstance(value, Mapping):
        yield f"mapping of {len(value)}".encode()
        for key in sorted(value, key=repr):
            yield repr(key).encode()
            yield from _pieces(value[key])
    elif isinstance(value, list | tuple):
        yield f"list of {len(value)}".encode()
        for item in value:
            yield from _pieces(item)
    else:
        assert value is None or isinstance(value, bool | int | float | str), type(value)
        yield f"{type(value).__name__} {value!r}".encode()


def difference(first: Mapping[str, str], second: Mapping[str, str]) -> list[str]:
    """The parts that are not the same."""
    assert first.keys() == second.keys()
    return [part for part in first if first[part] != second[part]]


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        pipeline: A shipped one.
        settings: Overrides.
        out: The run's folder.
    """

    pipeline: str
    settings: list[str]
    out: str


def train_job(job: Job) -> dict[str, str]:
    """Train it; returns the hashes of what it left."""
    from translate.training import train

    train(job.pipeline, job.settings, out=job.out)
    return fingerprints(Path(job.out))


def start(jobs: Iterable[Job], folder: Path, *, hash_seed: int, threads: int = 1) -> subprocess.Popen[bytes]:
    """Train all of them in one new process, one after the other.

    Args:
        jobs: What to train.
        folder: For the lists and the output.
        hash_seed: Of Python's sets and dictionaries: what depends on their order differs between processes.
        threads: Of torch.
    """
    folder.mkdir(parents=True)
    (folder / "jobs.json").write_text(json.dumps([asdict(job) for job in jobs]), encoding="utf-8")
    path = os.pathsep.join(filter(None, sys.path))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, str(folder / "jobs.json")]
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)


def finished(process: subprocess.Popen[bytes], folder: Path) -> list[dict[str, str]]:
    """Wait for what `start` began; returns the hashes of each training.

    Raises:
        AssertionError: It failed.
    """
    assert process.wait() == 0, (folder / "output").read_text(encoding="utf-8")
    found: list[dict[str, str]] = json.loads((folder / "hashes.json").read_text(encoding="utf-8"))
    return found


def main(file: str) -> None:
    """Train what the file lists."""
    jobs = [Job(**job) for job in json.loads(Path(file).read_text(encoding="utf-8"))]
    Path(file).with_name("hashes.json").write_text(json.dumps([train_job(job) for job in jobs]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
