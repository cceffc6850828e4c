"""Phases that change the size of a batch and reset optimisers: exact sizes, exact places in the data, exact resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_runs import StopAt, game, toy_manager

from translate.errors import PipelineError, Stopped
from translate.pipeline import load_pipeline
from translate.plugin_manager import PluginManager
from translate.training import train
from translate.training.checkpoint import find_checkpoints, load_checkpoint
from translate.training.feed import Feed

SIZES = [4] * 3 + [6] * 4 + [2] * 3
"""Of the batch of each step."""

GAME = game(
    {"steps": len(SIZES), "checkpoint_every": 1, "keep_checkpoints": 20, "preview_every": 0, "optimizers": {}},
    phases=[
        {"start": 3, "training": {"batch_size": 6, "reset_optimizers": True}},
        {"start": 7, "training": {"batch_size": 2}},
    ],
)


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return toy_manager()


@pytest.fixture
def batches(monkeypatch) -> list[torch.Tensor]:
    """The batches that trainings take, in order."""
    taken: list[torch.Tensor] = []
    original = Feed.next

    def recorded(feed: Feed) -> Any:
        batch = original(feed)
        taken.append(batch["source"].clone())
        return batch

    monkeypatch.setattr(Feed, "next", recorded)
    return taken


def with_(**changes: Any) -> dict[str, Any]:
    return {**GAME, **changes, "training": {**GAME["training"], **changes.get("training", {})}}


def checkpoint(folder: Path, step: int) -> Any:
    return load_checkpoint(dict(find_checkpoints(folder / "checkpoints"))[step])


def state_of(folder: Path, step: int, turn: str = "generators") -> Any:
    return checkpoint(folder, step).state["optimizers"][turn]


def adam_steps(folder: Path, step: int) -> set[int]:
    """How many steps the optimisers' moments have seen."""

    def found(value: Any, key: str = "") -> list[int]:
        if isinstance(value, dict):
            return [number for name, item in value.items() for number in found(item, str(name))]
        if isinstance(value, list | tuple):
            return [number for item in value for number in found(item)]
        return [int(value)] if key == "step" else []

    return {number for turn in ("generators", "discriminators") for number in found(state_of(folder, step, turn))}


def test_batches_have_the_sizes_of_their_phase_and_no_example_is_left_out_or_seen_twice(manager, tmp_path, batches):
    train(GAME, out=tmp_path / "run", manager=manager)
    assert [len(batch) for batch in batches] == SIZES
    seen = torch.cat(batches)
    batches.clear()
    ones = with_(phases=[], training={"batch_size": 1, "steps": sum(SIZES), "checkpoint_every": 1000})
    without_norm = {**ones["networks"]["G"], "norm": False}
    train({**ones, "networks": {**ones["networks"], "G": without_norm}}, out=tmp_path / "ones", manager=manager)
    assert torch.equal(seen, torch.cat(batches))
    assert checkpoint(tmp_path / "run", len(SIZES)).state["examples"] == sum(SIZES)


@pytest.mark.parametrize("stop", [2, 3, 5, 7, 8])
def test_stopped_and_gone_on_ends_in_the_same_bits(manager, tmp_path, batches, stop):
    """In a phase, and at the very step at which one ends."""
    train(GAME, out=tmp_path / "whole", manager=manager)
    taken = list(batches)
    batches.clear()
    with pytest.raises(Stopped):
        train(GAME, out=tmp_path / "parts", manager=manager, observers=[StopAt(stop)])
    train(GAME, out=tmp_path / "parts", manager=manager)
    assert all(torch.equal(*pair) for pair in zip(taken, batches, strict=True))
    whole, parts = (checkpoint(tmp_path / name, len(SIZES)) for name in ("whole", "parts"))
    for network, weights in whole.weights.items():
        assert all(torch.equal(weights[name], parts.weights[network][name]) for name in weights)
    assert (tmp_path / "whole/metrics.jsonl").read_text().count("\n") == len(SIZES)


def test_optimisers_begin_anew_in_each_phase_that_says_so_and_in_those_after_it(manager, tmp_path):
    train(GAME, out=tmp_path / "run", manager=manager)
    counted = [adam_steps(tmp_path / "run", step) for step in range(1, len(SIZES) + 1)]
    assert counted == [{1}, {2}, {3}, {1}, {2}, {3}, {4}, {1}, {2}, {3}]


def test_without_a_reset_they_go_on(manager, tmp_path):
    phases = [{"start": 3, "training": {"batch_size": 6}}]
    train(with_(phases=phases), out=tmp_path / "run", manager=manager)
    assert adam_steps(tmp_path / "run", len(SIZES)) == {len(SIZES)}


def test_a_phase_is_resolved_to_what_changes(manager):
    resolved = load_pipeline(GAME, catalogue=manager.catalogue).resolved
    assert resolved["phases"] == [
        {"start": 3, "training": {"batch_size": 6, "reset_optimizers": True}},
        {"start": 7, "training": {"batch_size": 2}},
    ]
    again = load_pipeline(resolved, catalogue=manager.catalogue)
    assert [phase.batch_size for phase in again.phases] == [4, 6, 2]
    assert [phase.reset_optimizers for phase in again.phases] == [False, True, True]
    assert [again.examples_at_once(index) for index in range(3)] == [4, 6, 2]


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"batch_size": 3}, "must be a multiple of accumulate x devices x nodes = 2 (got 3)"),
        ({"batch_size": 0}, "Input should be greater than or equal to 1"),
        ({"reset_optimizers": "yes"}, "bool"),
        ({"batchsize": 2}, "no such key. Did you mean 'batch_size'?"),
        ("fast", "must be a mapping with any of batch_size, optimizers, reset_optimizers (got 'fast')"),
    ],
)
def test_mistakes_in_a_phase_are_told_by_their_place(manager, training, message):
    game = with_(phases=[{"start": 3, "training": training}], training={"accumulate": 2})
    with pytest.raises(PipelineError) as caught:
        load_pipeline(game, catalogue=manager.catalogue)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.path.startswith(("phases.0.training", "training"))


def test_the_drawing_says_where_batches_change(manager):
    from translate.data.request import DataRequest
    from translate.drawing import describe
    from translate.drawing.text import text_drawing
    from translate.pipeline.checking import check

    pipeline = load_pipeline(GAME, catalogue=manager.catalogue)
    fields = pipeline.dataset.create(DataRequest(split="train", image_size=(8, 8), seed=0)).fields
    text = text_drawing(describe(check(pipeline, fields, catalogue=manager.catalogue)))
    assert "toy_data, batches of 4\n" in text
    assert "from step 3, batches of 6 " in text
    assert "from step 7, batches of 2 " in text
