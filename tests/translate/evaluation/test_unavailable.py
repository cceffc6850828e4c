"""Metrics that lack something on this machine, and evaluations that need no data."""

from __future__ import annotations

import json

import pytest

from translate.errors import DataError, ModelFileError, PluginError
from translate.evaluation import evaluate
from translate.pictures import read_picture


def metrics(**found):
    return {"metrics": found}


def table_of(report):
    from rich.console import Console

    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(report.table())
        return console.export_text()


def test_an_unavailable_metric_is_said_everywhere_and_the_others_go_on(opened):
    both = metrics(l1={"metric": "l1", "of": "fake", "to": "target"}, far={"metric": "absent", "of": "fake"})
    both["baseline"] = {"by": "source", "give": "target", "instead_of": "fake"}
    report = evaluate(opened(evaluation=both), device="cpu")
    assert report.unavailable == {"far": "its weights are not at X. Get Y"}
    assert set(report.values) == {"l1"}
    assert "far is unavailable: its weights are not at X. Get Y" in report.warnings
    row = next(line for line in table_of(report).splitlines() if "far" in line)
    assert "unavailable" in row
    saved = json.loads(report.files[0].read_text(encoding="utf-8"))
    assert saved["values"] == {"l1": report.values["l1"], "far": None}
    assert saved["unavailable"] == {"far": "its weights are not at X. Get Y"}


def test_an_available_one_is_measured(opened):
    report = evaluate(opened(evaluation=metrics(far={"metric": "absent", "of": "fake", "reason": None})), device="cpu")
    assert (report.values, report.unavailable) == ({"far": 1.0}, {})


def test_nothing_but_unavailable_metrics(opened):
    report = evaluate(opened(evaluation=metrics(far={"metric": "absent", "of": "fake"})), device="cpu")
    assert (report.values, list(report.unavailable)) == ({}, ["far"])


def test_required_metrics_are_refused_before_anything_is_computed(opened):
    run = opened(evaluation=metrics(far={"metric": "absent", "of": "fake"}))
    seen = []
    with pytest.raises(ModelFileError, match=r"far: its weights are not at X\. Get Y") as caught:
        evaluate(run, device="cpu", require_metrics=True, progress=lambda *what: seen.append(what))
    assert caught.value.exit_code == 4
    assert seen == []
    assert not run.run_folder.exists()
    fine = metrics(far={"metric": "absent", "of": "fake", "reason": None})
    assert evaluate(opened(evaluation=fine), device="cpu", require_metrics=True).values == {"far": 1.0}


def test_a_reason_must_be_a_text(opened):
    with pytest.raises(PluginError, match=r"must say why it is unavailable, or None \(got ''\)"):
        evaluate(opened(evaluation=metrics(far={"metric": "absent", "of": "fake", "reason": ""})), device="cpu")


LATENTS = {
    "latents": {"z": {"latent": "normal"}},
    "networks": {"G": {"generator": "painter", "makes": "target"}},
    "flow": {"fake": "G(z)"},
}


def test_what_depends_on_latents_alone_needs_no_held_out_data(opened):
    run = opened(
        **LATENTS,
        data={"dataset": "negatives", "image_size": 12, "held_out": 0},  # the test split cannot be opened
        evaluation=metrics(mean={"metric": "scaled", "of": "fake"}),
    )
    report = evaluate(run, device="cpu", count=70, batch_size=16)
    assert (report.split, report.n, report.overlap) == ("latents", 70, None)
    assert report.warnings == ()
    assert report.files[0].name == "evaluation-latents-000500.json"
    # Of the preview [source, fake, target] only the output needs no data: one column of eight pictures.
    assert read_picture(report.files[1]).shape[1] == 4 + 124
    again = evaluate(run, device="cpu", count=70, batch_size=7)
    assert again.values == pytest.approx(report.values, rel=1e-6)
    assert evaluate(run, device="cpu").n == 1000
    assert evaluate(run, device="cpu", overrides=["evaluation.count=30"]).n == 30


def test_a_single_metric_of_data_has_the_split_opened(opened):
    both = metrics(mean={"metric": "scaled", "of": "fake"}, real={"metric": "scaled", "of": "target"})
    report = evaluate(opened(**LATENTS, evaluation=both), device="cpu", count=70)
    assert (report.split, report.n) == ("test", 5)
    nothing = {"dataset": "negatives", "image_size": 12, "held_out": 0}
    with pytest.raises(DataError, match="the test split cannot be opened"):
        evaluate(opened(**LATENTS, data=nothing, evaluation=both), device="cpu")


def test_metrics_of_latents_may_learn_from_data(opened, catalogue):
    catalogue.find("metric", "learner").factory.log.clear()
    run = opened(**LATENTS, evaluation=metrics(m={"metric": "learner", "examples": "source", "of": "fake"}))
    report = evaluate(run, device="cpu", count=12)
    assert (report.split, report.n) == ("latents", 12)
    assert report.values["m.learned"] == pytest.approx(0.5, abs=0.05)
