"""A new run that begins where another one stands: the same bits without a change, and what a change keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_runs import StopAt, game, same, toy_manager, weights

from translate.errors import ModelFileError, Stopped, UsageError
from translate.plugin_manager import PluginManager
from translate.training import train
from translate.training.checkpoint import find_checkpoints, load_checkpoint

CONSTANT = {"generators": {"name": "adam", "lr": 0.01}, "discriminators": {"name": "rmsprop", "lr": 0.003}}


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return toy_manager()


@pytest.fixture(scope="module")
def whole(manager, tmp_path_factory) -> Path:
    """Twelve steps, with checkpoints at 4, 8 and 12."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(game(), out=folder, manager=manager)
    return folder


def at(run: Path, step: int) -> Path:
    return dict(find_checkpoints(run / "checkpoints"))[step]


def logged(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def moments(run: Path, step: int, turn: str) -> list[int]:
    """How many gradients the moments of an optimiser have seen."""
    state: Any = load_checkpoint(at(run, step)).state["optimizers"][turn]["state"]
    return sorted({int(each["step"]) for each in state.values()})


@pytest.mark.parametrize("step", [4, 8])
def test_without_a_change_it_ends_in_the_same_bits(step, manager, whole, tmp_path):
    result = train(game(), out=tmp_path / "new", manager=manager, fork=at(whole, step))
    assert result.step == 12
    assert same(weights(tmp_path / "new"), weights(whole))
    tail = [{**line, "seconds_per_step": 0} for line in logged(whole) if line["step"] > step]
    assert [{**line, "seconds_per_step": 0} for line in logged(tmp_path / "new")] == tail
    assert json.loads((tmp_path / "new/manifest.json").read_text())["forked"] == {"run": "whole", "step": step}


def test_the_steps_that_a_turn_has_waited_go_on_too(manager, tmp_path):
    """Of four steps that wait in a row one is taken; where the count began anew, another one would be."""
    turns = {"discriminators": {"skip_below": 1000.0, "most_skips": 3}, "generators": 1}
    document = game({"steps": 10, "checkpoint_every": 2}, turns=turns)
    train(document, out=tmp_path / "whole", manager=manager)
    skipped = [line["discriminators.skipped"] for line in logged(tmp_path / "whole")]
    assert skipped == [1, 1, 1, 0] * 2 + [1, 1]
    train(document, out=tmp_path / "new", manager=manager, fork=at(tmp_path / "whole", 6))
    assert [line["discriminators.skipped"] for line in logged(tmp_path / "new")] == skipped[6:]
    assert same(weights(tmp_path / "new"), weights(tmp_path / "whole"))


def test_a_checkpoint_that_stands_alone_names_no_folder(manager, whole, tmp_path):
    shutil.copytree(at(whole, 8), tmp_path / "somebody" / "000008")
    train(game(), out=tmp_path / "new", manager=manager, fork=tmp_path / "somebody" / "000008")
    assert same(weights(tmp_path / "new"), weights(whole))
    assert json.loads((tmp_path / "new/manifest.json").read_text())["forked"] == {"run": "", "step": 8}


def test_the_other_run_stays_as_it_is(manager, whole, tmp_path):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    train(game({"steps": 14}), out=tmp_path / "new", manager=manager, fork=whole)
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


def test_settings_are_the_new_ones_and_the_moments_go_on(manager, whole, tmp_path):
    changed = game({"steps": 14, "optimizers": {**CONSTANT, "generators": {"name": "adam", "lr": 0.5, "eps": 0.1}}})
    train(changed, out=tmp_path / "new", manager=manager, fork=whole)
    assert [line["lr.generators"] for line in logged(tmp_path / "new")] == [0.5, 0.5]
    group: Any = load_checkpoint(at(tmp_path / "new", 14)).state["optimizers"]["generators"]["param_groups"]
    assert group[0]["eps"] == 0.1
    assert moments(whole, 12, "generators") == [12]
    assert moments(tmp_path / "new", 14, "generators") == [14]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        {"name": "adam", "lr": 0.01, "amsgrad": True},  # keeps one thing more, which a step would miss
        {"name": "adamax", "lr": 0.01},
    ],
    ids=str,
)
def test_another_kind_of_optimiser_begins_anew_and_says_so(other, manager, whole, tmp_path, caplog):
    changed = game({"steps": 14, "optimizers": {**CONSTANT, "generators": other}})
    train(changed, out=tmp_path / "new", manager=manager, fork=whole)
    assert "the optimiser of 'generators' begins anew: what the optimiser keeps as" in caplog.text
    assert "'discriminators'" not in caplog.text
    assert moments(tmp_path / "new", 14, "discriminators") == [14]


def test_an_average_that_was_not_kept_begins(manager, tmp_path):
    train(game({"ema": None, "steps": 4}), out=tmp_path / "old", manager=manager)
    train(game({"steps": 5}), out=tmp_path / "new", manager=manager, fork=tmp_path / "old")
    found = weights(tmp_path / "new")
    averages = {key.removeprefix("ema/"): value for key, value in found.items() if key.startswith("ema/")}
    assert averages
    assert all(torch.equal(found[key], value) for key, value in averages.items())  # the first one is a copy


def test_a_network_that_was_not_there_begins_anew_and_others_stay(manager, whole, tmp_path, caplog):
    networks = game()["networks"]
    more = game(
        {"steps": 13, "optimizers": CONSTANT},
        networks={**networks, "E": {"discriminator": "toy_dense"}},
        losses={**game()["losses"], "second": {"loss": "lsgan", "real": "E(target)", "fake": "E(fake)"}},
    )
    train(more, out=tmp_path / "new", manager=manager, fork=whole)
    assert "network 'E' is not there and begins anew" in caplog.text
    assert "the optimiser of 'discriminators' begins anew" in caplog.text
    assert "'generators'" not in caplog.text


def test_networks_of_another_form_are_refused_with_what_differs(manager, whole, tmp_path):
    other = game({"steps": 13}, latents={"z": {"latent": "normal", "size": 5}})
    with pytest.raises(ModelFileError, match="'G'") as caught:
        train(other, out=tmp_path / "new", manager=manager, fork=whole)
    assert caught.value.exit_code == 4


def test_networks_of_other_names_only_are_refused(manager, whole, tmp_path):
    text = json.dumps(game({"steps": 13})).replace('"G', '"A').replace('"D', '"B').replace("(D(", "(B(")
    with pytest.raises(ModelFileError, match="none of the networks A, B is there, only D, G"):
        train(json.loads(text), out=tmp_path / "new", manager=manager, fork=whole)


def test_another_seed_is_another_continuation(manager, whole, tmp_path):
    for name, seed in (("one", 1), ("two", 2), ("again", 1)):
        train(game({"seed": seed}), out=tmp_path / name, manager=manager, fork=at(whole, 8))
    assert same(weights(tmp_path / "one"), weights(tmp_path / "again"))
    assert not same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert not same(weights(tmp_path / "one"), weights(whole))


def test_the_same_command_goes_on_with_the_new_run(manager, whole, tmp_path):
    document = game({"steps": 16})
    with pytest.raises(Stopped, match="step 14;"):
        train(document, out=tmp_path / "cut", manager=manager, fork=whole, observers=[StopAt(14)])
    train(document, out=tmp_path / "cut", manager=manager, fork=whole)
    train(document, out=tmp_path / "new", manager=manager, fork=whole)
    assert same(weights(tmp_path / "cut"), weights(tmp_path / "new"))
    assert json.loads((tmp_path / "cut/manifest.json").read_text())["forked"] == {"run": "whole", "step": 12}


def test_where_nothing_is_left_to_train_the_steps_are_asked_for(manager, whole, tmp_path):
    with pytest.raises(UsageError, match=r"step 12 is done there, and training\.steps is 12") as caught:
        train(game(), out=tmp_path / "new", manager=manager, fork=whole)
    assert "training.steps=24" in str(caught.value.fix)


def test_a_place_without_a_run_is_refused(manager, tmp_path):
    with pytest.raises(UsageError, match="neither a run nor a checkpoint"):
        train(game(), out=tmp_path / "new", manager=manager, fork=tmp_path / "nothing")
