"""Who is still running."""

import os
import subprocess
import sys

import pytest

from translate.training import processes


def test_this_process_runs():
    assert processes.is_running(os.getpid(), processes.started(os.getpid()))
    assert processes.is_running(os.getpid(), None)


def test_one_that_ended_does_not():
    process = subprocess.Popen([sys.executable, "-c", ""])
    start = processes.started(process.pid)
    process.wait()
    assert not processes.is_running(process.pid, start)
    assert not processes.is_running(process.pid, None)


@pytest.mark.parametrize("pid", [0, -1, 2**40, 2**70])
def test_numbers_that_are_no_process_do_not(pid):
    assert not processes.is_running(pid, None)


@pytest.mark.skipif(processes.started(os.getpid()) is None, reason="only Linux tells when a process started")
def test_a_pid_that_was_given_out_again_is_another_process():
    assert not processes.is_running(os.getpid(), processes.started(os.getpid()) + 1)


@pytest.mark.skipif(processes.started(os.getpid()) is None, reason="only Linux tells")
def test_one_that_ended_and_was_not_waited_for_does_not_run():
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    start = processes.started(process.pid)
    assert process.stdout is not None
    process.stdout.read()  # ends when the process does, or right before
    process.stdout.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_running(process.pid, start)
    process.wait()
