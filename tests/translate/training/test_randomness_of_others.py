"""Whoever draws from the global generators, and whenever: what is learnt is a function of the pipeline alone."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import restless
import torch
from toy_runs import GAME, StopAt, same, toy_manager, weights

from translate.errors import Stopped
from translate.generators import own_seed, seeded, undisturbed
from translate.plugin_manager import PluginManager
from translate.training import events, preview, train

DOCUMENT = restless.document(GAME)


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    manager = toy_manager()
    manager.register(restless.Plugin(), name="restless")
    return manager


@pytest.fixture(scope="module")
def whole(manager, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("restless") / "whole"
    train(DOCUMENT, out=folder, manager=manager)
    return folder


@pytest.fixture(autouse=True)
def _another_state():
    """Each training finds the generators in another state."""
    with undisturbed():
        random.seed()
        np.random.seed()  # noqa: NPY002
        torch.seed()
        yield


def test_what_the_process_drew_before_moves_nothing(manager, tmp_path, whole):
    train(DOCUMENT, out=tmp_path / "run", manager=manager)
    assert same(weights(tmp_path / "run"), weights(whole))


@pytest.mark.parametrize("stop", [1, 7])
def test_components_that_draw_while_they_are_made_go_on_as_they_were(manager, tmp_path, whole, stop):
    with pytest.raises(Stopped):
        train(DOCUMENT, out=tmp_path / "run", manager=manager, observers=[StopAt(stop)])
    train(DOCUMENT, out=tmp_path / "run", manager=manager)
    assert same(weights(tmp_path / "run"), weights(whole))


def test_observers_that_draw_move_nothing(manager, tmp_path, whole):
    settings = ["training.observers=[metrics_file, meddler]"]
    train(DOCUMENT, settings, out=tmp_path / "run", manager=manager, observers=[restless.Meddler()])
    assert same(weights(tmp_path / "run"), weights(whole))


def test_our_own_observers_draw_nothing(manager, tmp_path, whole, monkeypatch):
    guarded: list[str] = []
    monkeypatch.setattr(events, "undisturbed", lambda: guarded.append("") or undisturbed())
    observers = "training.observers=[terminal, metrics_file, samples, health, tensorboard]"
    train(DOCUMENT, [observers], out=tmp_path / "run", manager=manager)
    assert same(weights(tmp_path / "run"), weights(whole))
    assert not guarded


def test_a_preview_that_draws_moves_nothing(manager, tmp_path, whole, monkeypatch):
    for owner, name in ((preview.Preview, "_first"), (preview, "evaluate")):
        original = getattr(owner, name)
        drawing = lambda *given, original=original, **more: (restless.drawn(), original(*given, **more))[1]  # noqa: E731
        monkeypatch.setattr(owner, name, drawing)
    train(DOCUMENT, ["training.preview_every=1"], out=tmp_path / "run", manager=manager)
    assert same(weights(tmp_path / "run"), weights(whole))


def test_a_block_that_is_undisturbed_leaves_also_what_is_half_used():
    with seeded(3):
        restless.drawn()
        expected = [restless.drawn() for _ in range(2)]
    with seeded(3):
        restless.drawn()
        with undisturbed():
            restless.drawn()
            torch.manual_seed(1)
        assert [restless.drawn() for _ in range(2)] == expected


def test_a_block_that_fails_leaves_the_generators_as_they_were():
    with seeded(4):
        expected = restless.drawn()
    with seeded(4):
        with pytest.raises(KeyError), seeded(own_seed(4, "losses.x")):
            raise KeyError(restless.drawn())
        assert restless.drawn() == expected


def test_each_component_has_a_seed_of_its_own():
    assert len({own_seed(seed, name) for seed in (0, 1) for name in ("G", "losses.G", "latents.G")}) == 6
