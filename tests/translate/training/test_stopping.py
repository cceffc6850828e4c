"""Requests to stop: what they end, and how they are told."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from translate.errors import DataError, Interrupted, Stopped
from translate.stopping import StopRequests


def killed_by(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize(("name", "error"), [("SIGINT", Interrupted), ("SIGTERM", Stopped)])
def test_before_the_first_step_a_request_ends_the_start(name, error):
    before = signal.getsignal(getattr(signal, name))
    with pytest.raises(error, match="before the first step"), StopRequests():
        killed_by(name)
    assert signal.getsignal(getattr(signal, name)) is before


def swallowed_by_a_component(name: str) -> None:
    try:
        killed_by(name)
    except Exception as exc:
        raise DataError("the component failed") from exc


@pytest.mark.parametrize(("name", "error"), [("SIGINT", Interrupted), ("SIGTERM", Stopped)])
def test_a_request_that_is_taken_for_a_failure_is_still_a_request(name, error):
    # The check reports whatever a component raises as a problem of the pipeline: also what a signal raised within it.
    with pytest.raises(error, match="before the first step"), StopRequests():
        swallowed_by_a_component(name)


def test_an_error_without_a_request_stays_what_it_is():
    with pytest.raises(DataError), StopRequests():
        raise DataError("the component failed")


def test_once_started_a_request_is_only_noted():
    with StopRequests() as stop:
        stop.started = True
        killed_by("SIGTERM")
        assert stop.requested == "SIGTERM"
        assert "step 7" in str(stop.error(7))


def test_a_request_that_somebody_swallowed_ends_the_next_block():
    with pytest.raises(Stopped), StopRequests("stopped") as outer:  # noqa: PT012
        with contextlib.suppress(KeyboardInterrupt):
            killed_by("SIGTERM")
        assert outer.requested == "SIGTERM"
        with StopRequests():
            pytest.fail("it went on")


def test_no_component_takes_a_request_for_its_own_failure():
    with pytest.raises(Stopped), StopRequests():  # noqa: PT012
        with contextlib.suppress(Exception):
            killed_by("SIGTERM")
        pytest.fail("it went on")


def test_the_inner_block_listens_and_the_outer_one_afterwards():
    with pytest.raises(Interrupted, match="nothing at all"), StopRequests("nothing at all"):  # noqa: PT012
        with StopRequests() as inner:
            inner.started = True
        killed_by("SIGINT")


def test_a_request_at_the_very_end_of_a_block_ends_what_would_come_next():
    with pytest.raises(Stopped, match="nothing at all"), StopRequests("nothing at all"):  # noqa: PT012
        with StopRequests() as inner:
            inner.started = True
            killed_by("SIGTERM")
        with StopRequests():
            pytest.fail("it went on")


def test_a_request_at_the_very_end_of_the_last_block_is_no_error():
    with StopRequests("nothing at all"), StopRequests() as inner:
        inner.started = True
        killed_by("SIGTERM")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_once_all_is_done_a_request_changes_nothing(name, capfd):
    with StopRequests("stopped; there is nothing to save yet") as outer:
        with StopRequests() as inner:
            inner.started = True
        StopRequests.let_end()
        killed_by(name)
    assert outer.requested is None
    assert capfd.readouterr().err == ""


def test_a_second_request_does_not_change_how_the_process_ends():
    with pytest.raises(Stopped, match="step 3"), StopRequests("nothing to save"), StopRequests() as inner:  # noqa: PT012
        inner.started = True
        killed_by("SIGTERM")
        try:
            raise inner.error(3)
        finally:
            killed_by("SIGUSR1")


def test_any_two_ctrl_c_end_it_at_once(capfd):
    pid = os.fork()
    if not pid:
        with StopRequests() as stop:
            stop.started = True
            for name in ("SIGINT", "SIGTERM", "SIGINT"):
                killed_by(name)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    assert capfd.readouterr().err.splitlines() == [
        "stopping after this step and saving; press Ctrl-C again to stop at once",
        "stopped at once; the last checkpoint is intact",
    ]


def test_a_request_is_shown_in_two_lines_that_say_what_to_do():
    with StopRequests() as stop:
        stop.started = True
        killed_by("SIGTERM")
    first, second = stop.error(7).block().splitlines()
    assert first == "error: stopped at step 7; a checkpoint is saved (code: E-STOPPED, README.md#errors)"
    assert second.startswith("  fix: go on with the same command: ")
    assert StopRequests("stopped").error(None).block().count("\n") == 0
