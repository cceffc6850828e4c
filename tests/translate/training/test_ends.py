"""How a training ends: observers that fail at it, components that leave, a request at the last step."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest
from toy_runs import StopAt, game, toy_manager

from translate import hookimpl
from translate.errors import MachineError, PluginError, Stopped
from translate.plugin_manager import PluginManager
from translate.training import feed, loop, train
from translate.training.run import BAD_IMAGES


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return toy_manager()


class Leaves:
    @hookimpl
    def translate_step_finished(self, step: int) -> None:
        if step == 3:
            sys.exit()


def test_an_observer_that_leaves_is_a_failure_of_its_own(manager, tmp_path):
    with pytest.raises(PluginError, match="failed at translate_step_finished: SystemExit") as caught:
        train(game(), out=tmp_path / "run", manager=manager, observers=[Leaves()])
    assert caught.value.exit_code == 5


class FailsAtTheEnd:
    @hookimpl
    def translate_run_finished(self) -> None:
        msg = "cannot say goodbye"
        raise ValueError(msg)


class Hears:
    def __init__(self) -> None:
        self.heard = 0

    @hookimpl
    def translate_run_finished(self) -> None:
        self.heard += 1


@pytest.mark.parametrize("first", [True, False])
def test_one_that_fails_at_the_end_keeps_no_other_from_hearing_of_it(manager, tmp_path, first):
    hears = Hears()
    observers = [hears, FailsAtTheEnd()] if first else [FailsAtTheEnd(), hears]
    with pytest.raises(PluginError, match="cannot say goodbye"):
        train(game({"steps": 2}), out=tmp_path / "run", manager=manager, observers=observers)
    assert hears.heard == 1


def test_what_ended_a_run_is_not_replaced_by_an_observer_that_fails_then(manager, tmp_path, caplog):
    with pytest.raises(Stopped, match="step 3;"):
        train(game(), out=tmp_path / "run", manager=manager, observers=[StopAt(3), FailsAtTheEnd()])
    assert "cannot say goodbye" in caplog.text


def test_an_observer_need_not_be_hashable(manager, tmp_path):
    """As a plain dataclass is not."""

    @dataclass
    class Counts:
        ends: int = 0

        @hookimpl
        def translate_run_finished(self) -> None:
            self.ends += 1

    counts = Counts()
    train(game({"steps": 1}), out=tmp_path / "run", manager=manager, observers=[counts])
    assert counts.ends == 1


def test_of_several_failures_at_a_good_end_none_is_lost(manager, tmp_path, caplog):
    class Also:
        @hookimpl
        def translate_run_finished(self) -> None:
            msg = "another one"
            raise RuntimeError(msg)

    observers = [FailsAtTheEnd(), Also()]
    with pytest.raises(PluginError) as caught:
        train(game({"steps": 1}), out=tmp_path / "run", manager=manager, observers=observers)
    said = f"{caught.value} {caplog.text}"
    assert "another one" in said
    assert "cannot say goodbye" in said


def test_at_a_good_end_its_failure_is_one(manager, tmp_path):
    with pytest.raises(PluginError, match="cannot say goodbye"):
        train(game({"steps": 2}), out=tmp_path / "run", manager=manager, observers=[FailsAtTheEnd()])


def test_a_request_at_the_last_step_leaves_a_finished_run(manager, tmp_path):
    assert train(game({"steps": 3}), out=tmp_path / "run", manager=manager, observers=[StopAt(3)]).step == 3


def test_a_disk_that_has_no_room_for_the_list_of_bad_pictures_only_warns(manager, tmp_path, monkeypatch, caplog):
    write = feed.write_text

    def full(path: Any, text: str) -> None:
        if path.name == BAD_IMAGES:
            raise MachineError("the disk is full")
        write(path, text)

    class FindsOne:
        @hookimpl
        def translate_run_started(self) -> None:
            trainers[0].feed.stream.bad.found["a.png"] = "broken"
            trainers[0].feed.list_bad()

    trainers: list[loop.Trainer] = []
    begin = loop.Trainer._begin
    monkeypatch.setattr(loop.Trainer, "_begin", lambda self: (trainers.append(self), begin(self))[1])
    monkeypatch.setattr(feed, "write_text", full)
    assert train(game({"steps": 2}), out=tmp_path / "run", manager=manager, observers=[FindsOne()]).step == 2
    assert "bad_images.json cannot be written (the disk is full); the training goes on" in caplog.text
