"""What has a state that no checkpoint holds is an error at the first save; what has none, or a cache, is not."""

from __future__ import annotations

import functools
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import toys
from torch import nn
from toy_runs import toy_manager

from translate.errors import ModelFileError, PluginError
from translate.pipeline import building, loading
from translate.plugin_manager import PluginManager
from translate.training import opening, train
from translate.training.checkpoint import find_checkpoints, load_checkpoint
from translate.training.opening import open_trained
from translate.training.unsaved import StateWatch
from translate_plugins.latents.normal import Normal
from translate_plugins.losses.lsgan import LeastSquares
from translate_plugins.schedules.linear import Linear

SMALL: dict[str, Any] = {
    "data": {"dataset": "toy_data", "image_size": 8, "workers": 0},
    "latents": {"z": {"latent": "normal", "size": 3}},
    "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
    "flow": {"fake": "G(source, z)"},
    "losses": {"adversarial": {"loss": "lsgan", "real": "D(target)", "fake": "D(toy_counting(fake))"}},
    "training": {
        "steps": 4,
        "batch_size": 4,
        "checkpoint_every": 2,
        "preview_every": 0,
        "device": "cpu",
        "observers": [],
    },
}


@pytest.fixture
def manager() -> PluginManager:
    return toy_manager()


def counter(module: Any) -> None:
    module.count = getattr(module, "count", 0) + 1


def history(module: Any) -> None:
    module.seen = [*getattr(module, "seen", []), torch.ones(2)]


def running(module: Any) -> None:
    module.mean = getattr(module, "mean", torch.zeros(3)) * 0.9 + 1.0


def large(module: Any) -> None:
    if not hasattr(module, "map"):
        module.map = torch.zeros(300, 300)
    module.map += 1.0


def unlisted(module: Any) -> None:
    if "hidden" not in module._buffers:
        module.register_buffer("hidden", torch.zeros(1), persistent=False)
    module.hidden += 1.0


def generator(module: Any) -> None:
    if not hasattr(module, "noise"):
        module.noise = torch.Generator()
    torch.rand(1, generator=module.noise)


def numpy_generator(module: Any) -> None:
    if not hasattr(module, "noise"):
        module.noise = np.random.default_rng(0)
    module.noise.random()


def python_generator(module: Any) -> None:
    if not hasattr(module, "noise"):
        module.noise = random.Random(0)
    module.noise.random()


def tracker(module: Any) -> None:
    class Tracker:
        total = 0

    if not hasattr(module, "tracker"):
        module.tracker = Tracker()
    module.tracker.total += 1


LOST = [counter, history, running, large, unlisted, generator, numpy_generator, python_generator, tracker]


def cache(module: Any) -> None:
    if not hasattr(module, "grid"):
        module.grid, module.sizes = None, {}
    module.grid = torch.ones(4) if module.grid is None else module.grid
    module.sizes[len(module.sizes)] = torch.ones(2)


def alias(module: Any) -> None:
    module.weights = [parameter.detach() for parameter in module.parameters()]


def listed(module: Any) -> None:
    if "own" not in module._buffers:
        module.register_buffer("own", torch.zeros(1))
    module.own += 1.0


def exempt(module: Any) -> None:
    type(module).not_state = ("warned",)
    module.warned = getattr(module, "warned", 0) + 1


def handled(module: Any) -> None:
    type(module).get_extra_state = lambda self: torch.tensor(getattr(self, "count", 0))
    type(module).set_extra_state = lambda self, state: None
    counter(module)


KEPT = [cache, alias, listed, exempt, handled]


@pytest.fixture
def remember(monkeypatch):
    """Let the generator remember something in each call."""

    def install(how: Any) -> None:
        forward = toys.Dense.forward

        class Remembering(toys.Dense):
            def forward(self, *inputs: Any) -> Any:
                how(self)
                return forward(self, *inputs)

        monkeypatch.setattr(toys, "Dense", Remembering)

    return install


@pytest.mark.parametrize("how", LOST, ids=lambda how: how.__name__)
def test_a_state_that_would_be_lost_is_an_error_at_a_save(manager, tmp_path, remember, how):
    remember(how)
    with pytest.raises(PluginError, match=r"network '[GD]' has a state that a checkpoint would lose: its '") as caught:
        train(SMALL, out=tmp_path / "run", manager=manager)
    assert caught.value.exit_code == 5
    assert "toy_dense" in str(caught.value.where)
    assert "get_extra_state" in str(caught.value.fix)
    assert find_checkpoints(tmp_path / "run" / "checkpoints") == []


@pytest.mark.parametrize("how", KEPT, ids=lambda how: how.__name__)
def test_what_is_saved_or_no_state_passes(manager, tmp_path, remember, how):
    remember(how)
    train(SMALL, out=tmp_path / "run", manager=manager)
    assert [step for step, _ in find_checkpoints(tmp_path / "run" / "checkpoints")] == [2, 4]


@pytest.mark.parametrize(
    ("what", "owner", "method"),
    [
        ("latent 'z'", Normal, "sample"),
        ("schedule 'slow'", Linear, "__call__"),
        ("loss 'adversarial'", LeastSquares, "generator"),
    ],
)
def test_what_is_never_saved_may_remember_nothing(manager, tmp_path, monkeypatch, what, owner, method):
    original = getattr(owner, method)

    @functools.wraps(original)
    def counting(self: Any, *arguments: Any, **named: Any) -> Any:
        object.__setattr__(self, "count", getattr(self, "count", 0) + 1)
        return original(self, *arguments, **named)

    monkeypatch.setattr(owner, method, counting)
    slow = {"schedule": "linear", "initial": 1.0, "final": 0.5, "start": 0, "end": 4}
    losses = {"adversarial": {**SMALL["losses"]["adversarial"], "weight": "slow"}}
    with pytest.raises(PluginError, match=rf"{what} has a state .* its 'count' changes"):
        train({**SMALL, "schedules": {"slow": slow}, "losses": losses}, out=tmp_path / "run", manager=manager)


class Following(toys.Dense):
    """Keeps a counter and a running mean outside of its buffers, and adds them to what it makes."""

    count, mean = 0, torch.zeros(())

    def forward(self, *inputs: Any) -> Any:
        if self.training:
            self.count += 1
            self.mean = 0.5 * self.mean + inputs[0].detach().mean()
        return super().forward(*inputs) + self.mean + 0.01 * self.count

    def get_extra_state(self) -> dict[str, Any]:
        return {"count": self.count, "mean": self.mean, "both": (self.count, [None, True])}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        assert state["both"] == (state["count"], [None, True])
        self.count, self.mean = state["count"], state["mean"]


def following(tmp_path, monkeypatch) -> Any:
    """What trains it, with averages, up to a step."""
    monkeypatch.setattr(toys, "Dense", Following)

    def run(folder: str, steps: int, **changes: Any) -> Path:
        training = {**SMALL["training"], "steps": steps, "ema": {"decay": 0.5}}
        return train({**SMALL, "training": training}, out=tmp_path / folder, manager=toy_manager(), **changes).folder

    return run


def test_an_extra_state_is_kept_and_a_run_goes_on_from_it_bit_for_bit(tmp_path, monkeypatch):
    run = following(tmp_path, monkeypatch)
    straight = run("straight", 4)
    run("stopped", 2)
    again, forked = run("stopped", 4), run("forked", 4, fork=straight / "checkpoints" / "000002")
    ends = [load_checkpoint(folder / "checkpoints" / "000004").weights for folder in (straight, again, forked)]
    extra = ends[0]["G"].pop("_extra_state")
    assert extra["count"] > 0
    assert ends[0]["ema/G"].pop("_extra_state")["count"] == extra["count"]
    for end in ends[1:]:
        for name in ("G", "ema/G"):
            found = end[name].pop("_extra_state")
            assert found["count"] == extra["count"]
            assert torch.equal(found["mean"], extra["mean"])
        assert all(torch.equal(value, end["G"][key]) for key, value in ends[0]["G"].items())


def test_what_is_opened_has_its_extra_state(tmp_path, monkeypatch):
    folder = following(tmp_path, monkeypatch)("run", 4)
    for module in (opening, loading, building):
        monkeypatch.setattr(module, "default_manager", toy_manager)
    network: Any = open_trained(folder).game.networks["G"]
    saved = load_checkpoint(folder / "checkpoints" / "000004").weights["G"]["_extra_state"]
    assert (network.count, float(network.mean)) == (saved["count"], float(saved["mean"]))


def test_who_refuses_its_own_extra_state_is_named(tmp_path, monkeypatch):
    run = following(tmp_path, monkeypatch)
    run("run", 2)

    def refuse(self: Any, state: Any) -> None:
        raise KeyError("nothing")

    monkeypatch.setattr(Following, "set_extra_state", refuse)
    with pytest.raises(PluginError, match=r"loading the state of network 'G' \(generator 'toy_dense' from ") as caught:
        run("run", 4)
    assert caught.value.exit_code == 5
    assert "report this to the authors" in str(caught.value.fix)


def test_a_network_whose_extra_state_no_checkpoint_holds_does_not_fit(tmp_path, monkeypatch):
    training = {**SMALL["training"], "steps": 2}
    train({**SMALL, "training": training}, out=tmp_path / "run", manager=toy_manager())
    monkeypatch.setattr(toys, "Dense", Following)
    with pytest.raises(ModelFileError, match=r"network 'G' do not fit \(1 differ\): _extra_state: absent for present"):
        train(SMALL, out=tmp_path / "run", manager=toy_manager())


def test_a_state_that_cannot_be_written_names_the_reason(manager, tmp_path, monkeypatch):
    monkeypatch.setattr(toys.Dense, "get_extra_state", lambda self: {1, 2}, raising=False)
    with pytest.raises(PluginError, match=r"cannot be saved: .*/extra/[GD]/_extra_state: a builtins\.set"):
        train(SMALL, out=tmp_path / "run", manager=manager)


def test_a_look_costs_no_random_number_and_other_names_for_weights_are_no_state():
    network = nn.Sequential(nn.BatchNorm2d(2), nn.LSTM(2, 2))  # the second keeps a list of its weights
    game: Any = SimpleNamespace(networks={"G": network}, sites={}, latents={}, schedules={})
    before = torch.get_rng_state()
    watch = StateWatch(game)
    watch.look()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network[0](torch.ones(1, 2, 2, 2))  # moves its statistics
    watch.check()
    assert torch.equal(torch.get_rng_state(), before)
