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

    def report(source, name):
        if source.name == "bad":
            raise ModelFileError("it differs", where="export 'translate'")
        return SimpleNamespace(
            file=Path(f"x/{name}.onnx"),
            sidecar=Path(f"x/{name}.json"),
            results=[1] * 6,
            difference=1.0,
            unit="levels of 255",
            dynamic_axes=("batch",),
            fixed_because="torch.export does not leave these dimensions open",
        )

    def one(source, **choices):
        seen.append({"source": source, **choices})
        return report(source, choices["name"] or "translate")

    def every(source, *, done, **choices):
        seen.append({"source": source, "all": True, **choices})
        for name in ("forth", "back"):
            done(report(source, name))

    monkeypatch.setattr(translate.exporting, "export_report", one)
    monkeypatch.setattr(translate.exporting, "export_all", every)
    return seen


def test_options_reach_the_exporter_and_fixed_sizes_are_said(calls, capsys):
    words = ["export", "runs/a", "--output", "o.onnx", "--name", "back", "--float", "--opset", "20"]
    assert main(words) == 0
    assert calls == [
        {"source": Path("runs/a"), "output": Path("o.onnx"), "name": "back", "float_only": True, "opset": 20}
    ]
    out = capsys.readouterr().out
    assert "back.onnx" in out
    assert "largest difference 1 levels of 255" in out
    assert "free dimensions: batch" in out
    assert "fixed: torch.export does not leave" in out


def test_without_a_name_all_exports_are_written_and_each_is_said(calls, capsys):
    assert main(["export", "runs/a", "--float"]) == 0
    assert calls == [{"source": Path("runs/a"), "all": True, "float_only": True, "opset": 18}]
    out = capsys.readouterr().out
    assert out.index("wrote x/forth.onnx and forth.json") < out.index("wrote x/back.onnx and back.json")
    assert out.count("largest difference 1 levels of 255") == 2


def test_an_output_without_a_name_is_for_a_pipeline_of_one_export(calls):
    assert main(["export", "runs/a", "--output", "o.onnx"]) == 0
    assert calls == [
        {"source": Path("runs/a"), "output": Path("o.onnx"), "name": None, "float_only": False, "opset": 18}
    ]


def test_errors(calls, capsys):
    assert main(["export", "bad"]) == 4
    assert "it differs" in capsys.readouterr().err
