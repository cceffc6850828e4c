"""The conformance kit on metrics: good ones of every form pass, and every rule bites on one that breaks it."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from translate import Component, hookimpl
from translate.plugin_manager import PluginManager
from translate.testing import check_component


class Good:
    """Collect."""

    def __init__(self) -> None:
        self.total = 0.0

    def update(self, of: Tensor, to: Tensor) -> None:
        self.total += float((of - to).abs().mean())

    def compute(self) -> Any:
        return {"number": self.total, "each": torch.ones(3), "pair": (1.0, (0.5, 2.0)), "bare": (1.0, None)}


class Fitted(Good):
    """Learn."""

    def fit(self, examples: Tensor, extra: Tensor | None = None) -> None:
        self.total += float(examples.mean())

    def fitted(self) -> None:
        self.total /= 2

    def warnings(self) -> Any:
        return ["few"]

    def unavailable(self) -> Any:
        return None


class Absent(Good):
    """Lack something."""

    def unavailable(self) -> Any:
        return "no weights"

    def update(self, of: Tensor, to: Tensor) -> None:
        raise AssertionError


class NoReason(Absent):
    """Lack something and say nothing."""

    def unavailable(self) -> Any:
        return ""


class Complaining(Good):
    """Warn with one text."""

    def warnings(self) -> Any:
        return "few"


class Unfit(Fitted):
    """Fail to learn."""

    def fit(self, examples: Tensor) -> None:  # type: ignore[override]
        raise RuntimeError("too hard")


class Locked(Fitted):
    """Learn what cannot be copied."""

    def fitted(self) -> None:
        self.lock = threading.Lock()


class Drawing(Good):
    """Draw from the global generator."""

    def compute(self) -> Any:
        return float(torch.rand(()))


class Unseeded(Good):
    """Count all calls."""

    calls = 0.0

    def compute(self) -> Any:
        Unseeded.calls += 1
        return Unseeded.calls


def result(value: Any) -> type:
    class Given(Good):
        """Return this."""

        def compute(self) -> Any:
            return value

    return Given


@pytest.fixture
def check(monkeypatch):
    module = type(sys)("planted_metrics")
    monkeypatch.setitem(sys.modules, "planted_metrics", module)

    def checked(factory: Any, **sample: Any) -> None:
        vars(module)["factory"] = factory
        record = Component(kind="metric", name="planted", target="planted_metrics:factory", summary="Planted.")
        plugin = type("Plugin", (), {"translate_components": hookimpl(lambda self: [record])})()
        manager = PluginManager()
        manager.register(plugin, name="acme", distribution="acme-gan", version="2.1")
        check_component("metric", "planted", manager=manager, **sample)

    return checked


@pytest.mark.parametrize("factory", [Good, Fitted, Absent])
def test_good_metrics_pass(check, factory):
    before = torch.get_rng_state()
    check(factory)
    assert torch.equal(before, torch.get_rng_state())


def test_the_samples_values_go_to_the_methods_that_take_them(check):
    values = {"of": torch.ones(2), "to": torch.zeros(2), "examples": torch.ones(5)}
    check(Fitted, values=lambda: values)
    with pytest.raises(AssertionError, match="missing 1 required positional argument: 'to'"):
        check(Good, values=lambda: {"of": torch.ones(2)})


@pytest.mark.parametrize(
    ("factory", "rule", "text"),
    [
        (NoReason, "result", "`unavailable` must return None or what is missing (got str '')"),
        (Complaining, "result", "`warnings` must return a list of texts (got str 'few')"),
        (Unfit, "result", "`fit` with identical images raised RuntimeError: too hard"),
        (Locked, "state", "copying what it learned raised TypeError"),
        (Drawing, "pure", "draws from torch's global generator"),
        (Unseeded, "deterministic", "differs for the same values and seed"),
        (result(1), "result", "must return a float, one value for each example"),
        (result({}), "result", "must return a float"),
        (result(torch.ones(())), "result", "must return a float"),
        (result({"a": 1.0, "b": torch.ones(2, 2)}), "result", "must return a float"),
        (result((1.0, 2.0)), "result", "must return a float"),
        (result((1.0, (0.0, "high"))), "result", "must return a float"),
        (result(float("nan")), "finite", "identical images give nan"),
        (result((1.0, (0.0, float("inf")))), "finite", "identical images give"),
    ],
)
def test_every_rule_bites(check, factory, rule, text):
    with pytest.raises(AssertionError) as caught:
        check(factory)
    assert str(caught.value).startswith(f"metric 'planted' of acme (acme-gan 2.1): {rule}: ")
    assert text in str(caught.value)
    if rule in {"pure", "deterministic", "finite"}:
        check(factory, skip={rule})
