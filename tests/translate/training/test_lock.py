"""One process at a time in a run's folder."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from translate.errors import MachineError
from translate.training import lock as lock_module
from translate.training import processes
from translate.training.lock import LOCK, RunLock

# The package itself imports torch, which takes seconds: the other processes load the lock's module without it.
HOLD = f"""
import sys, time, types
from pathlib import Path
sys.modules["translate.training"] = package = types.ModuleType("translate.training")
package.__path__ = [{str(Path(lock_module.__file__).parent)!r}]
from translate.training.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def forge(tmp_path, **changes):
    found = {"host": socket.gethostname(), "pid": os.getpid(), "since": "2026-01-02", "start": None} | changes
    (tmp_path / LOCK).write_text(json.dumps(found))


def test_the_lock_is_written_and_removed(tmp_path):
    with RunLock(tmp_path):
        found = json.loads((tmp_path / LOCK).read_text())
        assert found["pid"] == os.getpid()
        assert found["host"] == socket.gethostname()
        assert found["since"].startswith("20")
    assert list(tmp_path.iterdir()) == []
    with RunLock(tmp_path):
        pass


def test_the_lock_is_removed_after_an_error(tmp_path):
    with pytest.raises(KeyError), RunLock(tmp_path):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_refused_at_once_and_told_by_whom(tmp_path, holder):
    begun = time.monotonic()
    with pytest.raises(
        MachineError, match=f"in use by process {holder.pid} on host {socket.gethostname()}, since 20"
    ) as e:
        RunLock(tmp_path).__enter__()
    assert time.monotonic() - begun < 1
    assert e.value.exit_code == 6
    with pytest.raises(MachineError):  # the refused attempt did not break the lock
        RunLock(tmp_path).__enter__()
    assert holder.poll() is None


def test_take_over_does_not_take_from_the_living(tmp_path, holder):
    with pytest.raises(MachineError, match=f"process {holder.pid}"):
        RunLock(tmp_path, take_over=True).__enter__()


def test_the_same_process_is_refused_too_and_the_first_lock_stays(tmp_path):
    with RunLock(tmp_path):
        with pytest.raises(MachineError, match=f"process {os.getpid()}"):
            RunLock(tmp_path).__enter__()
        other = subprocess.run([sys.executable, "-c", HOLD, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "MachineError" in other.stderr


def test_a_killed_process_leaves_no_lock_in_force(tmp_path, holder, caplog):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / LOCK).exists()
    with caplog.at_level(logging.WARNING), RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert len(caplog.records) == 1
    assert str(holder.pid) in caplog.text


def test_an_orphaned_worker_of_a_killed_process_holds_no_lock(tmp_path):
    code = HOLD.replace(
        'print("held", flush=True)', "import os\n    worker = os.fork()\n    worker and print(worker, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        worker = int(process.stdout.readline())
        process.kill()
        process.wait()
        try:
            assert processes.is_running(worker, None)
            with RunLock(tmp_path):
                pass
        finally:
            os.kill(worker, signal.SIGKILL)


def test_a_forked_child_that_leaves_the_block_does_not_remove_the_lock(tmp_path):
    with RunLock(tmp_path) as lock:
        pid = os.fork()
        if pid == 0:
            lock.__exit__(None, None, None)
            os._exit(0)
        os.waitpid(pid, 0)
        assert (tmp_path / LOCK).exists()


def test_another_host_is_refused_and_take_over_is_named(tmp_path, caplog):
    forge(tmp_path, host="elsewhere", pid=1)
    with pytest.raises(MachineError, match="process 1 on host elsewhere, since 2026-01-02") as caught:
        RunLock(tmp_path).__enter__()
    assert "--take-over" in caught.value.fix
    assert "elsewhere" in (tmp_path / LOCK).read_text()
    with caplog.at_level(logging.WARNING), RunLock(tmp_path, take_over=True):
        pass
    assert "elsewhere" in caplog.text


def test_without_file_locks_the_pid_decides(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "fcntl", None)
    parent = os.getppid()
    forge(tmp_path, pid=parent, start=processes.started(parent))
    with pytest.raises(MachineError, match=f"process {parent}"):
        RunLock(tmp_path).__enter__()
    if processes.started(parent) is not None:
        forge(tmp_path, pid=parent, start=1)  # the pid was given out again
        with RunLock(tmp_path):
            pass


@pytest.mark.parametrize(
    "content", ["", "{", '{"host": "a"}', "[]", "null", "\0\0", '{"host":1,"pid":"a","since":0,"start":0}']
)
def test_a_half_written_lock_is_free(tmp_path, content):
    (tmp_path / LOCK).write_text(content)
    with RunLock(tmp_path):
        pass


def test_a_folder_that_is_not_there_is_a_machine_error(tmp_path):
    with pytest.raises(MachineError):
        RunLock(tmp_path / "nothing").__enter__()


def test_many_at_once_only_one_gets_it(tmp_path):
    code = HOLD.replace("time.sleep(60)", "time.sleep(2)")
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    outputs = [process.communicate()[0] for process in started]
    assert outputs.count(b"held\n") == 1
