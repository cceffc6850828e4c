"""What is looked at in a component's calls, and what a run's record says of missing plugins."""

from __future__ import annotations

import pytest
import torch

from translate.components import Catalogue, Component, Entry, Provider
from translate.errors import PipelineError, PluginError, Position, Problem
from translate.pipeline.missing import missing_plugin
from translate.pipeline.watching import (
    ComponentFault,
    check_drawn,
    check_loss,
    check_made,
    check_number,
    component_failed,
    form,
    to_blame,
    watched,
)
from translate.specs import Image, Vector

X = torch.zeros(2, 3, 4, 4)


def entry(name: str, distribution: str = "acme-gan", target: str = "acme:thing") -> Entry:
    return Entry(Component(kind="loss", name=name, target=target, summary="."), Provider("acme", distribution, "2.1"))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x.mul_(0.5), "in place"),
        (lambda x: [x.add_(1)], "in place"),
        (lambda x: None, "gave None and no tensor"),
        (lambda x: {}, "no tensor"),
        (lambda x: x[:, :1], "gave 1x4x4 for each example, and 3x4x4 in the check"),
        (lambda x: x.double(), "gave float64"),
        (lambda x: x.half(), "gave float16"),
        (lambda x: {"a": x, "b": x}, "gave 3x4x4, 3x4x4 for each example"),
    ],
)
def test_what_a_component_must_not_do(function, message):
    with pytest.raises(ComponentFault, match=message):
        watched(function, expected=form(X))(X.clone())


def test_what_a_component_may_do():
    call = watched(lambda x: x * 2, expected=form(X))
    assert torch.equal(call(X + 1), (X + 1) * 2)
    assert call(X.double()).dtype == torch.float64  # the type of what it was given
    assert call(X[:1]).shape == (1, 3, 4, 4)  # another batch
    assert watched(lambda x: 3.0, gives_tensors=False)(X) == 3.0
    keeps = [torch.zeros(1)]
    assert watched(lambda x: keeps[0].add_(1) + x)(X).shape == X.shape  # its own tensors are its own
    with torch.inference_mode():
        assert call(torch.zeros(2, 3, 4, 4)).shape == X.shape


@pytest.mark.parametrize("value", [None, 1.0, X, torch.tensor(1)])
def test_what_is_no_loss(value):
    with pytest.raises(ComponentFault):
        check_loss(value)


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), torch.tensor(1.0)])
def test_what_is_no_number_of_a_schedule(value):
    with pytest.raises(ComponentFault):
        check_number(value)


def test_what_was_asked_for_is_made():
    check_made(X, {"makes": Image(3, 4, 4)})
    with pytest.raises(ComponentFault, match="gave 3x4x4"):
        check_made(X, {"makes": Image(1, 4, 4)})
    check_drawn(torch.zeros(5, 2), Vector(2))
    with pytest.raises(ComponentFault, match="drew 2"):
        check_drawn(torch.zeros(5, 2), Vector(3))


def test_of_several_components_those_of_others_are_named():
    mine, other = entry("l1", "translate-images", "translate_plugins.losses:l1"), entry("odd")
    assert to_blame(ValueError("no trace"), [mine, other]) == [other]
    assert to_blame(ValueError("no trace"), [mine]) == []
    failed = component_failed("the gradient of turn 'G'", ("turns", "G"), [mine, other], ValueError("a\nb"))
    assert failed.what == "the gradient of turn 'G' (loss 'odd' from acme (acme-gan 2.1)) failed: ValueError: a"


RECORD = ["loss odd: acme (acme-gan 2.1)", "operation turn: zeta (zeta 1)", "loss l1: losses (translate-images 0.1.0)"]


def missing(message: str, record: list = RECORD) -> PluginError | None:
    exc = PipelineError([Problem(Position("p.yaml", 1, 1), "losses.a", message)])
    catalogue = Catalogue((entry("l1", "translate-images"),))
    return missing_plugin(exc, record, "runs/x", catalogue)


def test_a_missing_plugin_is_named_with_all_that_are_missing():
    for message in ("'odd' is not a loss. Available: l1.", "'acme/odd' is not a loss."):
        found = missing(message)
        assert found is not None
        assert found.fix == "pip install acme-gan==2.1 zeta==1"
        assert "loss 'odd' is not installed: it came from acme (acme-gan 2.1)" in found.what
    found = missing("no network or operation is named 'turn'. Known: G.")
    assert found is not None
    assert "operation 'turn'" in found.what


@pytest.mark.parametrize(
    "record",
    [[], ["loss odd: acme (acme; rm -rf 2.1)"], ["loss odd: acme (-e 2.1)"], [None, 3], ["loss even: acme (a 1)"]],
)
def test_what_is_not_recorded_or_no_name_is_not_repeated(record):
    assert missing("'odd' is not a loss.", record) is None
    assert missing("must be a number", RECORD) is None
