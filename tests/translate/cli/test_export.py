from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import translate.exporting
from translate.cli import main
from translate.errors import ModelFileError


@pytest.fixture
def calls(monkeypatch):
    seen: list[dict] = []

    def fake(source, **choices):
        seen.append({"source": source, **choices})
        if source.name == "bad":
            raise ModelFileError("it differs", where="export 'translate'")
        return SimpleNamespace(
            file=Path("x/translate.onnx"),
            sidecar=Path("x/translate.json"),
            results=[1] * 6,
            difference=1.0,
            unit="levels of 255",
            dynamic_axes=("batch",),
            fixed_because="torch.export does not leave these dimensions open",
        )

    monkeypatch.setattr(translate.exporting, "export_report", fake)
    return seen


def test_options_reach_the_exporter_and_fixed_sizes_are_said(calls, capsys):
    words = ["export", "runs/a", "--output", "o.onnx", "--name", "back", "--float", "--opset", "20"]
    assert main(words) == 0
    assert calls == [
        {"source": Path("runs/a"), "output": Path("o.onnx"), "name": "back", "float_only": True, "opset": 20}
    ]
    out = capsys.readouterr().out
    assert "translate.onnx" in out
    assert "largest difference 1 levels of 255" in out
    assert "free dimensions: batch" in out
    assert "fixed: torch.export does not leave" in out


def test_defaults_and_errors(calls, capsys):
    assert main(["export", "bad"]) == 4
    assert calls[0]["output"] is None
    assert calls[0]["opset"] == 18
    assert "it differs" in capsys.readouterr().err
