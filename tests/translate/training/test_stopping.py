"""Requests to stop before there is anything to save."""

from __future__ import annotations

import os
import signal

import pytest

from translate.errors import DataError, Interrupted, Stopped
from translate.training.stopping import StopRequests


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
