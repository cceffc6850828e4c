"""What a training does where its time is over, and where the disk is full."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from toy_runs import game, same, toy_manager, weights

from translate import hookimpl, stopping
from translate.errors import MachineError, PipelineError, Stopped
from translate.pipeline import load_pipeline
from translate.plugin_manager import PluginManager
from translate.training import files, train
from translate.training.checkpoint import find_checkpoints

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    return toy_manager()


# -- time -------------------------------------------------------------------------------------------------------------


class Hours:
    """Lets an hour pass with each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(stopping.time, "monotonic", lambda: self.now)

    @hookimpl
    def translate_step_finished(self) -> None:
        self.now += 3600


def test_it_saves_and_ends_when_the_time_is_over_and_goes_on(manager, tmp_path, monkeypatch):
    document = game({"stop_after": "2h30m"})
    for step in (3, 6, 9):
        with pytest.raises(Stopped, match=rf"stopped at step {step}, as training\.stop_after is over") as caught:
            train(document, out=tmp_path / "run", manager=manager, observers=[Hours(monkeypatch)])
        assert caught.value.exit_code == 75
        assert find_checkpoints(tmp_path / "run/checkpoints")[-1][0] == step
    monkeypatch.undo()
    assert train(document, out=tmp_path / "run", manager=manager).step == 12
    train(game(), out=tmp_path / "whole", manager=manager)
    assert same(weights(tmp_path / "run"), weights(tmp_path / "whole"))


@pytest.mark.parametrize(
    ("text", "seconds"), [("11h50m", 42600), ("90s", 90), ("1d", 86400), ("1d2h3m4s", 93784), (1.5, 1.5), (60, 60)]
)
def test_durations(text, seconds, catalogue):
    pipeline = load_pipeline(game({"stop_after": text}), catalogue=catalogue)
    assert pipeline.training.stop_after == seconds


@pytest.mark.parametrize("text", ["", "11:50", "5", "2 hours", "h", "1m1h", "-5s", "0s", 0, -1, True, []])
def test_what_is_no_duration_is_refused(text, catalogue):
    with pytest.raises(PipelineError) as caught:
        load_pipeline(game({"stop_after": text}), catalogue=catalogue)
    assert [problem.path for problem in caught.value.problems] == ["training.stop_after"]


@pytest.mark.parametrize(("code", "requeued"), [(75, True), (0, False), (3, False), (130, False)])
def test_the_job_script_of_the_readme_asks_for_another_turn_only_where_it_was_stopped(code, requeued, tmp_path):
    text = README.read_text(encoding="utf-8")
    script = "#!/bin/bash" + text.split("```bash\n#!/bin/bash", 1)[1].split("```", 1)[0]
    (tmp_path / "job.sh").write_text(script)
    for name, does in (("translate", f"exit {code}"), ("scontrol", f'echo "$*" >> {tmp_path}/asked')):
        (tmp_path / name).write_text(f"#!/bin/bash\n{does}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "4711"}
    subprocess.run(["bash", "job.sh"], cwd=tmp_path, env=environment, check=False, timeout=20)
    asked = tmp_path / "asked"
    assert (asked.read_text() if asked.exists() else "") == ("requeue 4711\n" if requeued else "")


# -- space ------------------------------------------------------------------------------------------------------------


def full_beyond(count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full for a checkpoint where so many are there."""
    write = files.write_bytes

    def refusing(path: Path, chunks: Any) -> tuple[int, str]:
        if path.name == "state.safetensors" and len(find_checkpoints(folder / "checkpoints")) >= count:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, chunks)

    monkeypatch.setattr(files, "write_bytes", refusing)


def test_older_checkpoints_make_room_where_that_is_wanted(manager, tmp_path, monkeypatch, caplog):
    full_beyond(3, tmp_path / "run", monkeypatch)
    document = game({"steps": 6, "checkpoint_every": 1, "on_full_disk": "prune"})
    assert train(document, out=tmp_path / "run", manager=manager).step == 6
    assert [step for step, _ in find_checkpoints(tmp_path / "run/checkpoints")] == [5, 6]
    assert "the disk is full: checkpoints 000001, 000002 are removed" in caplog.text
    assert not [path for path in (tmp_path / "run/checkpoints").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("how", "count", "left"), [("stop", 3, [1, 2, 3]), ("prune", 1, [1])])
def test_else_it_ends_and_what_is_there_stays(how, count, left, manager, tmp_path, monkeypatch):
    full_beyond(count, tmp_path / "run", monkeypatch)
    document = game({"steps": 6, "checkpoint_every": 1, "on_full_disk": how})
    with pytest.raises(MachineError, match="the disk is full"):
        train(document, out=tmp_path / "run", manager=manager)
    assert [step for step, _ in find_checkpoints(tmp_path / "run/checkpoints")] == left


def test_another_failure_of_the_disk_removes_nothing(manager, tmp_path, monkeypatch):
    full_beyond(3, tmp_path / "run", monkeypatch)
    monkeypatch.setattr(errno, "ENOSPC", errno.EIO)
    with pytest.raises(MachineError, match="the disk reports an error"):
        train(game({"steps": 6, "checkpoint_every": 1, "on_full_disk": "prune"}), out=tmp_path / "run", manager=manager)
    assert [step for step, _ in find_checkpoints(tmp_path / "run/checkpoints")] == [1, 2, 3]
