"""Optimisers by name, with checked settings."""

import pytest
import torch
from torch import nn

from translate.errors import ComponentError
from translate.optimizers import (
    build_optimizer,
    check_optimizer,
    clip_weights,
    load_optimizer_state,
    optimizer_classes,
    optimizer_state,
    set_lr,
)
from translate.training.trees import decode_tree, encode_tree


def parameters(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(3, 2, generator=generator)), nn.Parameter(torch.randn(4, generator=generator))]


def train(optimizer, chosen, steps, first=0):
    for step in range(first, first + steps):
        for i, parameter in enumerate(chosen):
            parameter.grad = torch.sin(parameter.detach() + step + i)
        optimizer.step()


@pytest.mark.parametrize("name", optimizer_classes())
def test_every_listed_optimizer_builds_and_moves(name):
    chosen = parameters()
    before = [p.detach().clone() for p in chosen]
    optimizer = build_optimizer({"name": name}, chosen, lr=0.1)
    train(optimizer, chosen, 2)
    assert type(optimizer).__name__.lower() == name
    assert all(not torch.equal(p, b) for p, b in zip(chosen, before, strict=True))


def test_the_usual_ones_are_listed():
    assert {"adam", "adamw", "rmsprop", "sgd", "adagrad", "adadelta", "nadam", "radam", "adamax", "asgd"} <= set(
        optimizer_classes()
    )


def test_adam_is_the_default_and_lists_become_tuples():
    optimizer = build_optimizer(
        {"betas": [0.5, 0.999], "lr": 7, "clip_norm": 1.0, "clip_value": 1, "clip_weights": 1}, parameters()
    )
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    assert optimizer.param_groups[0]["lr"] == 1e-3  # lr is the training's, not read from here


@pytest.mark.parametrize(
    ("settings", "path", "says"),
    [
        ({"name": "adan"}, ("name",), r"'adan' is not an optimiser\. Did you mean 'adam'\?|Did you mean"),
        ({"name": 3}, ("name",), "'3' is not an optimiser"),
        ({"name": "lbfgs"}, ("name",), "not an optimiser"),
        ({"beta": [0.5, 0.9]}, ("beta",), r"'beta' is not a setting of adam\. Did you mean 'betas'\?"),
        ({"momentum": 0.9}, ("momentum",), "not a setting of adam.*Allowed: amsgrad, betas"),
        ({"params": []}, ("params",), "not a setting"),
        ({"differentiable": True}, ("differentiable",), "not a setting"),
        ({"betas": [0.5]}, ("betas",), "list of 2 numbers"),
        ({"betas": 0.5}, ("betas",), "list of 2 numbers"),
        ({"betas": ["a", "b"]}, ("betas",), "list of 2 numbers"),
        ({"betas": [0.5, 1.5]}, ("betas",), "refuses its settings"),
        ({"eps": "1e-8"}, ("eps",), "finite number"),
        ({"eps": float("nan")}, ("eps",), "finite number"),
        ({"eps": True}, ("eps",), "finite number"),
        ({"weight_decay": -1}, ("weight_decay",), "refuses its settings"),
        ({"amsgrad": 1}, ("amsgrad",), "true or false"),
        ({"name": "sgd", "nesterov": True}, ("nesterov",), "refuses its settings"),
    ],
)
def test_what_is_wrong_is_found_with_its_path(settings, path, says):
    problems = check_optimizer(settings)
    assert [p for p, _ in problems] == [path]
    with pytest.raises(ComponentError, match=says):
        build_optimizer(settings, parameters())


def test_all_problems_are_found_together():
    found = check_optimizer({"name": "sgd", "momentun": 1, "weight_decay": "x", "lr": "schedule", "clip_norm": None})
    assert {path for path, _ in found} == {("momentun",), ("weight_decay",)}


def test_no_parameters_is_an_error():
    with pytest.raises(ComponentError, match="no parameters"):
        build_optimizer({}, [])


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "adagrad"])
def test_fused_is_chosen_by_itself(name):
    assert build_optimizer({"name": name}, parameters()).param_groups[0]["fused"] is True
    assert build_optimizer({"name": name, "fused": False}, parameters()).param_groups[0]["fused"] is False
    assert not build_optimizer({"name": name, "foreach": True}, parameters()).param_groups[0]["fused"]


def test_a_dtype_without_fused_kernel_falls_back():
    chosen = [nn.Parameter(torch.zeros(2, dtype=torch.complex64))]
    assert not build_optimizer({"name": "adam"}, chosen).param_groups[0]["fused"]


@pytest.mark.parametrize(
    "settings",
    [{"name": "adam", "betas": [0.5, 0.999]}, {"name": "sgd", "momentum": 0.9, "nesterov": True}, {"name": "adagrad"}],
)
def test_the_state_fits_either_implementation_and_goes_on_alike(settings):
    fused, plain = parameters(), parameters()
    a = build_optimizer(settings, fused, lr=0.01)
    b = build_optimizer(settings | {"fused": False}, plain, lr=0.01)
    train(a, fused, 3)
    train(b, plain, 3)
    saved_a, saved_b = optimizer_state(a), optimizer_state(b)
    assert saved_a["param_groups"] == saved_b["param_groups"]
    assert "fused" not in saved_a["param_groups"][0]
    for key, entry in saved_b["state"].items():
        assert set(entry) == set(saved_a["state"][key])
    load_optimizer_state(a, decode_tree(*encode_tree(saved_b)), settings)
    load_optimizer_state(b, decode_tree(*encode_tree(saved_a)), settings)
    assert a.param_groups[0]["fused"] is True
    assert b.param_groups[0]["fused"] is False
    train(a, fused, 3, first=3)
    train(b, plain, 3, first=3)
    for p, q in zip(fused, plain, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(optimizer_classes()))
def test_a_loaded_state_goes_on_bit_for_bit(name):
    chosen = parameters()
    optimizer = build_optimizer({"name": name}, chosen, lr=0.01)
    train(optimizer, chosen, 3)
    value, tensors = encode_tree(optimizer_state(optimizer))
    tensors = {key: tensor.clone() for key, tensor in tensors.items()}
    again = [nn.Parameter(p.detach().clone()) for p in chosen]
    other = build_optimizer({"name": name}, again, lr=0.5)
    load_optimizer_state(other, decode_tree(value, tensors), {"name": name})
    train(optimizer, chosen, 3, first=3)
    train(other, again, 3, first=3)
    assert all(torch.equal(p, q) for p, q in zip(chosen, again, strict=True))


@pytest.mark.parametrize(
    "moment",
    [torch.ones(1, 1), torch.ones(()), torch.ones(3, 4).to_sparse(), None, 1.0, "x"],
    ids=["small", "number", "sparse", "none", "float", "text"],
)
@pytest.mark.parametrize("key", ["exp_avg", "exp_avg_sq"])
def test_a_moment_that_the_fused_implementation_would_read_outside_of_is_refused(key, moment):
    weight = nn.Parameter(torch.zeros(3, 4))
    optimizer = build_optimizer({}, [weight], lr=0.01)
    assert optimizer.param_groups[0]["fused"]
    train(optimizer, [weight], 1)
    state = optimizer_state(optimizer)
    state["state"][0] = {**state["state"][0], key: moment}
    with pytest.raises((ValueError, NotImplementedError), match=f"keeps as '{key}' does not fit|Sparse"):
        load_optimizer_state(optimizer, state, {})


def test_a_moment_that_is_missing_or_one_too_many_is_refused():
    chosen = parameters()
    optimizer = build_optimizer({}, chosen, lr=0.01)
    train(optimizer, chosen, 1)
    state = optimizer_state(optimizer)
    for kept in ({"step": state["state"][0]["step"]}, {**state["state"][0], "more": 1.0}):
        with pytest.raises(ValueError, match=r"keeps as '(exp_avg|more)' does not fit"):
            load_optimizer_state(optimizer, {**state, "state": {**state["state"], 0: kept}}, {})


def test_set_lr_reaches_every_group_and_fills_tensors_in_place():
    a, b = parameters()
    optimizer = torch.optim.Adam([{"params": [a]}, {"params": [b], "lr": torch.tensor(0.5)}], lr=0.1, foreach=False)
    held = optimizer.param_groups[1]["lr"]
    set_lr(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[1]["lr"] is held
    assert held.item() == 0.25


def test_clip_weights_clamps_parameters_and_no_buffers():
    module = nn.BatchNorm1d(3)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([-5.0, 0.005, 5.0]))
        module.running_var.fill_(9.0)
    clip_weights(module.parameters(), 0.01)
    assert module.weight.tolist() == pytest.approx([-0.01, 0.005, 0.01])
    assert module.running_var.tolist() == [9.0] * 3
    assert module.weight.requires_grad


@pytest.mark.parametrize("left_out", [True, False])
@pytest.mark.parametrize("where", ["host", "device"])
def test_weights_are_not_clipped_after_a_step_that_was_left_out(left_out, where):
    module = nn.Linear(4, 4)
    module.weight.data.fill_(3.0)
    unless = torch.tensor(float(left_out)) if where == "device" else left_out
    clip_weights(module.parameters(), 0.01, unless=unless)
    assert module.weight.max().item() == pytest.approx(3.0 if left_out else 0.01)
