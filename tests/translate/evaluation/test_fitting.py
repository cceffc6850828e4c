"""Metrics that learn from the training split first: what they are shown, how often, and what becomes of it."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from translate.errors import DataError, PluginError
from translate.evaluation import evaluate
from translate.evaluation.fitting import spread
from translate.signatures import read_schema


@pytest.fixture
def log(catalogue):
    """What all learners were given, in order."""
    found = catalogue.find("metric", "learner").factory.log
    found.clear()
    return found


def given(log, method):
    return torch.cat([value for name, value in log if name == method])


def learners(*, baseline=False, **metrics):
    found = {"metrics": {name: {"metric": "learner", **value} for name, value in metrics.items()}}
    if baseline:
        found["baseline"] = {"by": "source", "give": "target", "instead_of": "fake"}
    return found


def pictures(run, split, name="source"):
    from translate.pipeline.opening import open_stream

    stream = open_stream(run.pipeline, split, batch_size=1, train=False)
    return (stream.examples(range(len(stream)))[name] + 1) / 2


def test_the_training_split_is_learned_before_the_held_out_one_is_measured(opened, log):
    run = opened(evaluation=learners(m={"examples": "source", "of": "fake"}))
    report = evaluate(run, device="cpu", batch_size=4)
    order = [name for name, _ in log]
    assert order == ["fit"] * 3 + ["fitted"] + ["update"] * 2
    torch.testing.assert_close(given(log, "fit"), pictures(run, "train"))
    torch.testing.assert_close(given(log, "update"), pictures(run, "test", "target"))
    assert report.values["m.learned"] == pytest.approx(float(pictures(run, "train").mean()), rel=1e-5)
    assert set(report.values) == {"m.learned", "m.seen"}
    assert set(report.intervals) == {"m.seen"}
    assert report.warnings == (report.warnings[0],)
    assert "only 5 examples" in report.warnings[0]


def test_what_several_metrics_learn_alike_is_learned_once(opened, log):
    metrics = learners(
        a={"examples": "source", "of": "fake"},
        b={"examples": "source", "of": "target"},
        c={"examples": "source", "of": "fake", "note": "another choice"},
        d={"examples": "fake", "of": "fake"},
        e={"examples": "source", "more": "target", "of": "fake"},
    )
    report = evaluate(opened(evaluation=metrics), device="cpu", batch_size=16)
    names = [name for name, _ in log]
    assert names.count("fit") == names.count("fitted") == 4
    assert report.values["a.learned"] == report.values["b.learned"]
    assert report.values["d.learned"] == pytest.approx(1 - report.values["a.learned"], rel=1e-5)
    # They share what was learned, and nothing of what they are measured on.
    assert report.values["a.seen"] == report.values["c.seen"]
    assert names.count("update") == 5
    assert all(len(value) == 5 for name, value in log if name == "update")


def test_only_so_many_examples_are_read_at_even_distances(opened, log):
    run = opened(evaluation=learners(m={"examples": "source", "of": "fake", "fit_count": 3}))
    evaluate(run, device="cpu", batch_size=2)
    torch.testing.assert_close(given(log, "fit"), pictures(run, "train")[[0, 3, 6]])
    assert ("fitted", 3) in log
    assert spread(4, 10) == [0, 2, 5, 7]
    assert spread(5, 5) == [0, 1, 2, 3, 4]


def test_without_an_expression_for_it_nothing_is_learned(opened, log):
    report = evaluate(opened(evaluation=learners(m={"of": "fake"})), device="cpu")
    assert {name for name, _ in log} == {"update"}
    assert np.isnan(report.values["m.learned"])
    assert report.values["m.seen"] == pytest.approx(0.5, abs=0.05)


def test_the_baseline_is_judged_by_what_was_learned_once(opened, log):
    run = opened(evaluation=learners(baseline=True, m={"examples": "fake", "of": "fake"}))
    report = evaluate(run, device="cpu", batch_size=16)
    names = [name for name, _ in log]
    assert names == ["fit", "fitted", "update", "update"]
    assert report.baseline["m.learned"] == report.values["m.learned"]
    assert report.baseline["m.seen"] != report.values["m.seen"]


def test_a_metric_whose_learning_alone_sees_the_output_has_no_baseline(opened, log):
    run = opened(evaluation=learners(baseline=True, m={"examples": "fake", "of": "target"}))
    assert evaluate(run, device="cpu").baseline == {}


def test_learning_draws_other_latents_than_measuring(opened, log):
    sections = {"latents": {"z": {"latent": "normal"}}, "flow": {"fake": "G(source, z)"}}
    run = opened(**sections, evaluation=learners(m={"examples": "z", "of": "z"}))
    evaluate(run, device="cpu", batch_size=4)
    learned, measured = given(log, "fit"), given(log, "update")
    assert not any(torch.equal(a, b) for a in learned for b in measured)
    log.clear()
    evaluate(run, device="cpu", batch_size=1)
    torch.testing.assert_close(given(log, "fit"), learned)  # whatever the batch size
    assert len(learned.unique(dim=0)) == 9


def test_progress_of_learning_is_told(opened, log):
    seen = []
    metrics = learners(m={"examples": "source", "of": "fake"})
    evaluate(opened(evaluation=metrics), device="cpu", batch_size=6, progress=lambda *what: seen.append(what))
    assert seen[:4] == [
        ("examples to learn from, 9", 6, 9), ("examples to learn from, 9", 9, 9), ("learning", 0, 1), ("learning", 1, 1)
    ]  # fmt: skip


def test_learning_needs_the_training_split_and_names_the_metric_that_fails(opened, log, monkeypatch, catalogue):
    run = opened(evaluation=learners(m={"examples": "source", "of": "fake"}))
    factory = catalogue.find("metric", "learner").factory
    for method in ("fit", "fitted"):
        with monkeypatch.context() as patch:
            patch.setattr(factory, method, lambda self, **values: {}["x"])
            with pytest.raises(PluginError, match=r"metric 'learner' from test .* failed: KeyError") as caught:
                evaluate(run, device="cpu")
            assert caught.value.where == "evaluation.metrics.m"
    monkeypatch.setattr("translate.evaluation.session.open_split", _no_training)
    with pytest.raises(DataError, match="no training"):
        evaluate(run, device="cpu")


def _no_training(pipeline, split, batch_size, fields):
    from translate.evaluation.opening import open_split

    if split == "train":
        raise DataError("no training")
    return open_split(pipeline, split, batch_size, fields)


def test_the_sides_of_a_metric_class_are_read_from_both_methods(catalogue):
    schema = catalogue.find("metric", "learner").schema
    assert schema.sides == {"update": ("of", "to"), "fit": ("examples", "more")}
    assert schema.expressions == {"of": True, "to": False, "examples": False, "more": False}
    assert [choice.name for choice in schema.choices] == ["fit_count", "note"]


class FitAlone:
    """No update."""

    def fit(self, examples): ...

    def compute(self): ...


class EmptyFit:
    """A fit without expressions."""

    def fit(self): ...

    def update(self, of): ...

    def compute(self): ...


class KeywordFit(EmptyFit):
    """A choice at the wrong place."""

    def fit(self, examples, *, epochs=2): ...


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (FitAlone, "needs `update` and `compute`"),
        (EmptyFit, "`fit` of a metric class takes expressions"),
        (KeywordFit, "parameter 'epochs' of `fit` is keyword-only"),
    ],
)
def test_signatures_that_cannot_be_used(factory, text):
    assert inspect.isclass(factory)
    with pytest.raises(TypeError, match=text):
        read_schema("metric", factory)


def test_a_list_reaches_the_metric_as_a_list(opened, log):
    run = opened(evaluation=learners(m={"examples": "[source, fake]", "of": "fake"}))
    with pytest.raises(PluginError, match="'list' object has no attribute"):
        evaluate(run, device="cpu")  # this learner takes tensors only
