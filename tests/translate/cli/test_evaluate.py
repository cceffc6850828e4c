"""`translate evaluate`: what it hands over and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from translate.cli import main
from translate.errors import DataError
from translate.evaluation import EvaluationReport


@pytest.fixture
def calls(monkeypatch):
    """Calls of `evaluate`; it returns a report."""
    seen = []

    def evaluate(source, **choices):
        seen.append((source, choices))
        choices["progress"]("outputs", 1, 2)
        return EvaluationReport(
            run="pix2pix",
            checkpoint="runs/a/checkpoints/000500",
            step=500,
            split="test",
            n=3,
            values={"l1": 0.12345, "colour.L": 0.5},
            intervals={"l1": (0.1, 0.2)},
            baseline={"l1": 0.25},
            baseline_intervals={},
            ratio={"l1": 0.4938},
            overlap=0,
            seconds=1.0,
            device="cpu",
            versions={},
            warnings=("only 3 examples",),
            files=(Path("runs/a/evaluation-test-000500.json"),),
        )

    monkeypatch.setattr("translate.evaluation.evaluate", evaluate)
    return seen


def test_everything_is_handed_over_and_shown(calls, capsys):
    words = [
        "evaluate",
        "runs/a",
        "data.root=x",
        "--split",
        "val",
        "--count",
        "7",
        "--output",
        "out",
        "--device",
        "cpu",
    ]
    assert main([*words, "evaluation.count=9"]) == 0
    source, choices = calls[0]
    choices.pop("progress")
    assert source == Path("runs/a")
    assert choices == {
        "split": "val",
        "count": 7,
        "output": Path("out"),
        "batch_size": 16,
        "require_metrics": False,
        "overrides": ["data.root=x", "evaluation.count=9"],
        "device": "cpu",
    }
    out, err = capsys.readouterr()
    for text in ("l1", "colour.L", "0.1235", "0.1 to 0.2", "0.25", "0.4938"):
        assert text in out
    assert "wrote runs/a/evaluation-test-000500.json" in out
    assert err == "warning: only 3 examples\n"


def test_nothing_is_chosen_for_the_user(calls):
    assert main(["evaluate", "runs/a"]) == 0
    choices = calls[0][1]
    assert (choices["split"], choices["count"], choices["output"], choices["overrides"]) == (None, None, None, ())


def test_metrics_can_be_required(calls):
    assert main(["evaluate", "runs/a", "--require-metrics"]) == 0
    assert calls[0][1]["require_metrics"] is True


def test_errors_have_their_exit_code(monkeypatch, capsys):
    def evaluate(source, **choices):
        raise DataError("there is no split 'x'", fix="use test")

    monkeypatch.setattr("translate.evaluation.evaluate", evaluate)
    assert main(["evaluate", "runs/a"]) == DataError.exit_code
    assert "there is no split 'x'" in capsys.readouterr().err
    assert main(["evaluate", "runs/a", "--count", "0"]) == 2
