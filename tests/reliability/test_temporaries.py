"""What cannot be written leaves no temporary: the small files of a run, its pictures, the report of a measurement."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from translate.errors import MachineError
from translate.evaluation.report import write_json
from translate.training import files
from translate.training.run import write_text
from translate_plugins.observers.samples import Samples


@pytest.fixture(params=["replace", "fsync", "write"])
def full(request, monkeypatch) -> str:
    """A disk that is full when a file is to get its name, is waited for, or is written to."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if request.param == "replace":
        monkeypatch.setattr(os, "replace", refuse)
        monkeypatch.setattr(Path, "replace", refuse)
    elif request.param == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(files, "write_bytes", lambda path, _: path.write_bytes(b"half") and refuse())
    return request.param


def test_a_small_file_stays_what_it_was(tmp_path, full):
    (tmp_path / "pipeline.yaml").write_text("before")
    with pytest.raises(MachineError, match=r"the disk is full: 5 bytes are needed, [\d,]+ bytes are free"):
        write_text(tmp_path / "pipeline.yaml", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]
    assert (tmp_path / "pipeline.yaml").read_text() == "before"


def test_a_temporary_that_a_killed_process_left_is_no_hindrance(tmp_path):
    (tmp_path / ".pipeline.yaml.tmp").write_text("half")
    write_text(tmp_path / "pipeline.yaml", "after")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]
    assert (tmp_path / "pipeline.yaml").read_text() == "after"


@pytest.mark.parametrize("full", ["replace"], indirect=True)
def test_a_picture_or_a_report_leaves_none_either(tmp_path, full, caplog):
    run: Any = SimpleNamespace(folder=tmp_path, is_main=True)
    Samples().translate_preview_ready(run, 5, {"a": torch.zeros(1, 3, 8, 8)})
    assert "the training goes on" in caplog.text
    report: Any = SimpleNamespace(as_dict=lambda: {"values": {}})
    with pytest.raises(MachineError):
        write_json(report, tmp_path / "evaluation.json")
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
