"""Same pipeline, same seed, same machine: the same bits, in processes of their own, for every shipped pipeline."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import record
from small_sets import small_settings, write_small_sets
from support_bits import Job, difference, finished, start

from translate.plugin_manager import default_manager

PIPELINES = sorted(name for name, _ in default_manager().catalogue.pipelines.items())
SAMPLED = 3
TEETH = "gan"


def twice(names: Sequence[str], folder: Path, changed: Mapping[str, str] = {}) -> dict[str, Any]:
    """Train each pipeline in two processes, whose sets have another order; some with another setting the second time.

    Returns:
        How many pipelines gave the same bits, and for the others which parts differ.
    """
    write_small_sets(folder / "data")
    running = []
    for number in (1, 2):
        more = ["training.observers=[metrics_file]", "training.device=cpu"]
        jobs = [
            Job(name, [*small_settings(name, folder / "data"), *more], str(folder / f"{name}{number}"))
            for name in (names if number == 1 else [*reversed(names)])  # nothing of the one before may matter
        ]
        for job in jobs if number == 2 else ():
            job.settings.extend([changed[job.pipeline]] if job.pipeline in changed else [])
        running.append((start(jobs, folder / f"process{number}", hash_seed=number), folder / f"process{number}"))
    for process, _ in running:
        process.wait()
    first, second = (finished(process, where) for process, where in running)
    pairs = zip(names, first, reversed(second), strict=True)
    differing = {name: found for name, one, two in pairs if (found := difference(one, two))}
    return {"pipelines": len(names), "same bits": len(names) - len(differing), "differing": differing}


def test_a_sample_of_the_pipelines_gives_the_same_bits_and_another_seed_is_noticed(tmp_path):
    names = [*random.Random(record.SEED).sample([name for name in PIPELINES if name != TEETH], SAMPLED), TEETH]
    found = twice(names, tmp_path, {TEETH: "training.seed=1"})
    assert found["same bits"] == SAMPLED, (names, found)
    assert {"weights", "optimizers", "rng", "metrics"} <= set(found["differing"][TEETH])


@pytest.mark.reliability
@pytest.mark.timeout(600)
def test_every_pipeline_gives_the_same_bits(tmp_path):
    began = time.monotonic()
    found = twice(PIPELINES, tmp_path)
    assert found["differing"] == {}
    record.figure(
        name="two trainings of every shipped pipeline, each in a process of its own",
        goal="G3",
        values={key: found[key] for key in ("pipelines", "same bits")},
        seed=0,
        seconds=time.monotonic() - began,
    )
