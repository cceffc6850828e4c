"""What a metric may give, and the bootstrap interval."""

from __future__ import annotations

import numpy as np
import pytest

from translate.errors import PluginError
from translate.evaluation import evaluate, measures
from translate.evaluation.measures import bootstrap_interval


def test_the_interval_is_deterministic_and_holds_the_mean():
    values = np.random.default_rng(0).exponential(size=40)
    low, high = bootstrap_interval(values, seed=3)
    assert (low, high) == bootstrap_interval(values, seed=3)
    assert (low, high) != bootstrap_interval(values, seed=4)
    assert low < values.mean() < high


def test_the_interval_is_that_of_the_normal_approximation():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_chunks_do_not_change_the_resamples(monkeypatch):
    values = np.random.default_rng(2).normal(size=30)
    expected = bootstrap_interval(values)
    monkeypatch.setattr(measures, "_AT_ONCE", 100)
    assert bootstrap_interval(values) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[1.0], [1.0, float("inf")], [float("nan"), 1.0]])
def test_no_interval_where_there_is_none(values):
    assert bootstrap_interval(np.array(values)) is None


def forms(opened, form="all"):
    metrics = {"m": {"metric": "forms", "of": "fake", "form": form}}
    return evaluate(opened(evaluation={"metrics": metrics}), device="cpu")


def test_a_part_is_a_number_or_values_of_examples_or_a_number_with_its_interval(opened):
    report = forms(opened)
    parts = {"number": 2.5, "tensor": 4.5, "array": 4.5, "pair": 4.0, "bare": 5.0, "endless": 1.0}
    assert report.values == {f"m.{name}": value for name, value in parts.items()}
    assert set(report.intervals) == {"m.tensor", "m.array", "m.pair"}
    assert report.intervals["m.pair"] == (3.0, 6.0)
    assert report.intervals["m.tensor"] == bootstrap_interval(np.arange(10.0))


def test_what_a_metric_has_to_say_is_in_the_warnings(opened):
    assert "m: a set of toys" in forms(opened).warnings


@pytest.mark.parametrize("form", ["text", "matrix", "empty", "triple"])
def test_a_part_of_another_form_is_refused(opened, form):
    with pytest.raises(PluginError, match=r"metric 'forms' from test .* must give a number, one value for each"):
        forms(opened, form)


def test_warnings_must_be_a_list_of_texts(opened, monkeypatch, catalogue):
    monkeypatch.setattr(catalogue.find("metric", "forms").factory, "compute", lambda self: 1.0)
    with pytest.raises(PluginError, match=r"must give its warnings as a list of texts \(got 'no list'\)"):
        forms(opened, "text")
