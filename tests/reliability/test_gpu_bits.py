"""On a GPU with `deterministic: true`, every shipped pipeline gives the same bits again, and so does a resumed run.

pytest -m gpu -n 8 --dist load tests/reliability/test_gpu_bits.py
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from small_sets import small_settings, write_small_sets
from support_bits import Job, difference, fingerprints, finished, start

from translate import hookimpl
from translate.errors import Stopped
from translate.plugin_manager import default_manager

# Read when CUDA starts, which another test of the same process may do before a training has set it.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

PIPELINES = sorted(name for name, _ in default_manager().catalogue.pipelines.items())
RESUMED = ("cyclegan", "progan", "stylegan", "wgan_gp")
FRESH = ("pix2pix", "dcgan", "stargan")

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("small_data")
    write_small_sets(root)
    return root


def settings_of(name: str, root: Path, *more: str) -> list[str]:
    own = ["training.deterministic=true", "training.device=cuda", "training.observers=[metrics_file]"]
    return [*small_settings(name, root), *own, *more]


class Watch:
    """Sees where and how a training runs, and asks it to stop after a step."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop, self.seen = stop, set[tuple[str, bool]]()

    @hookimpl
    def translate_step_finished(self, run: Any, step: int) -> None:
        import torch

        devices = {tensor.device.type for network in run.game.networks.values() for tensor in network.parameters()}
        self.seen |= {(device, torch.are_deterministic_algorithms_enabled()) for device in devices}
        if step == self.stop:
            os.kill(os.getpid(), signal.SIGTERM)


def train(name: str, settings: list[str], out: Path, stop: int | None = None) -> Path:
    from translate.training import train

    watch = Watch(stop)
    try:
        train(name, settings, out=out, observers=[watch])
    except Stopped:
        assert stop is not None
    assert watch.seen == {("cuda", True)}
    return out


@pytest.mark.parametrize("name", PIPELINES)
def test_two_trainings_of_a_pipeline_give_the_same_bits(name, small_data, tmp_path):
    settings = settings_of(name, small_data)
    first, second = (fingerprints(train(name, settings, tmp_path / run)) for run in ("first", "second"))
    assert difference(first, second) == []


@pytest.mark.parametrize("stop", [1, 3])
@pytest.mark.parametrize("name", RESUMED)
def test_stopped_and_gone_on_ends_in_the_same_bits(name, stop, small_data, tmp_path):
    longer = () if name == "progan" else ("training.steps=5",)
    settings = settings_of(name, small_data, *longer)
    whole = fingerprints(train(name, settings, tmp_path / "whole"))
    cut = train(name, settings, tmp_path / "cut", stop)
    assert difference(fingerprints(cut), whole), "it was not stopped"
    assert difference(fingerprints(train(name, settings, cut)), whole) == []


def test_another_seed_gives_other_bits(small_data, tmp_path):
    settings = settings_of("dcgan", small_data)
    first = fingerprints(train("dcgan", settings, tmp_path / "first"))
    other = fingerprints(train("dcgan", [*settings, "training.seed=1"], tmp_path / "other"))
    assert {"weights", "optimizers", "rng", "metrics"} <= set(difference(first, other))


def test_processes_of_their_own_give_the_same_bits(small_data, tmp_path, monkeypatch):
    """Nothing that the training needs was set by this process, and the order of sets is another."""
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    running = []
    for number in (1, 2):
        jobs = [Job(name, settings_of(name, small_data), str(tmp_path / f"{name}{number}")) for name in FRESH]
        running.append((start(jobs, tmp_path / f"process{number}", hash_seed=number), tmp_path / f"process{number}"))
    first, second = (finished(process, folder) for process, folder in running)
    for name, one, two in zip(FRESH, first, second, strict=True):
        assert difference(one, two) == [], name
