"""The health observer: its judgments on scripted values, and small trainings that are ill, each beside its cure."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toy_runs import weights

from translate import Component, Image, Vector, hookimpl
from translate.errors import NumbersError
from translate.plugin_manager import PluginManager
from translate.training import train
from translate_plugins.observers.health_advice import Settings, advice
from translate_plugins.observers.health_judge import Finding, Judge, Known

KNOWN = Known({"discriminators": ["D"], "generators": ["G"]})
TERM = "discriminators.adversarial"


def judged(*rows: dict[str, float], known: Known = KNOWN, window: int = 10) -> list[tuple[int, bool, str, str]]:
    """What begins and ends with which row, counted from 1."""
    judge = Judge(known, window)
    return [
        (index, change.begins, change.finding.kind, change.finding.about)
        for index, row in enumerate(rows, 1)
        for change in judge.judge(row)
    ]


def rows(name: str, *parts: tuple[float, int], **others: float) -> list[dict[str, float]]:
    """Rows with a value that is constant over parts of the run."""
    return [{name: value, **others} for value, count in parts for _ in range(count)]


# -- judgments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "well", "between", "ill", "kind", "about"),
    [
        (f"{TERM}.certain", 0.5, 0.9, 1.0, "overpowering", TERM),
        (f"{TERM}.to_chance", 0.8, 2.0, 3.0, "wild", TERM),
        (f"{TERM}.diversity", 0.08, 0.05, 0.01, "collapse", TERM),
        ("G.update", 1e-3, None, 0.0, "frozen", "G"),
    ],
)
def test_a_window_must_be_ill_and_only_a_well_one_ends_it(name, well, between, ill, kind, about):
    found = judged(*rows(name, (well, 25), (ill, 30), (well, 25)))
    assert [change[1:] for change in found] == [(True, kind, about), (False, kind, about)]
    assert 25 + 3 <= found[0][0] <= 25 + 11
    assert judged(*rows(name, (well, 30))) == []
    assert judged(*rows(name, (ill, 4), (well, 30))) == [], "a short ill beginning"
    if between is not None:
        assert judged(*rows(name, (well, 25), (between, 30))) == []
        kept = judged(*rows(name, (ill, 25), (between, 60)))
        assert [begun for _, begun, *_ in kept] == [True], "neither ill nor well: it stays as it is"


@pytest.mark.parametrize("name", [f"{TERM}.certain", f"{TERM}.diversity", "G.gradient_norm", "G.update"])
def test_single_steps_say_nothing(name):
    usual, odd = {"certain": (0.5, 1.0), "gradient_norm": (1.0, 1e9)}.get(name.rpartition(".")[2], (0.1, 0.0))
    line = [usual if index % 6 else odd for index in range(1, 60)]
    assert judged(*({name: value} for value in line)) == []


def test_what_lies_on_a_threshold_is_said_once():
    values = [0.94, 0.96] * 40
    found = judged(*({f"{TERM}.certain": value} for value in values))
    assert len(found) == 1


def test_gradients_explode_against_what_was_usual():
    found = judged(*rows("D.gradient_norm", (0.5, 20), (200.0, 20), (0.5, 20)))
    assert [(begun, kind, about) for _, begun, kind, about in found] == [
        (True, "explosion", "D"),
        (False, "explosion", "D"),
    ]
    assert found[0][0] == 20 + 3  # the median of five
    assert judged(*rows("D.gradient_norm", (0.5, 20), (30.0, 20))) == []
    assert judged(*rows("D.gradient_norm", (1e-8, 20), (9.0, 20))) == [], "one that was hardly there may come back"
    assert judged(*rows("D.gradient_norm", (0.5, 20), (200.0, 400)))[1:] == [], "it does not become the usual one"


def test_a_gradient_may_be_huge_from_the_start():
    assert judged(*rows("G.gradient_norm", (1e6, 6))) == [(5, True, "explosion", "G")]


def test_outputs_may_lose_what_they_had():
    found = judged(*rows(f"{TERM}.diversity", (0.8, 25), (0.08, 25), (0.5, 25)))
    assert [begun for _, begun, *_ in found] == [True, False]
    assert judged(*rows(f"{TERM}.diversity", (0.08, 60))) == [], "the same from the start: a young generator"
    assert judged(*rows(f"{TERM}.diversity", (0.9, 20), (0.3, 60))) == []


def test_steps_may_be_as_large_as_the_weights():
    assert judged(*rows("D.update", (9.8, 1), (1e-3, 40))) == [(5, True, "strides", "D")]
    assert judged(*rows("D.update", (0.2, 1), (1e-2, 40))) == []


def test_a_network_that_waits_on_purpose_is_not_frozen():
    waiting = rows("D.update", (0.0, 40), **{"discriminators.skipped": 1.0})
    assert judged(*waiting) == []
    assert judged(*rows("D.update", (0.0, 40), **{"discriminators.skipped": 0.0})) != []


@pytest.mark.parametrize(
    ("others", "text"),
    [
        ({"lr.generators": 0.0, "G.gradient_norm": 1.0}, "its learning rate is 0"),
        ({"lr.generators": 1e-3, "G.gradient_norm": 0.0}, "no gradient reaches it"),
        ({"lr.generators": 1e-3, "G.gradient_norm": 1.0}, "its weights stay where they are"),
    ],
)
def test_it_says_why_a_network_does_not_learn(others, text):
    judge = Judge(KNOWN)
    changes = [change for row in rows("G.update", (0.0, 10), **others) for change in judge.judge(row)]
    assert [change.finding.text for change in changes if change.finding.kind == "frozen"] == [
        f"G does not learn: {text}"
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"generators.cycle": float("nan")}, "the loss generators.cycle is not finite in the turn 'generators'"),
        ({"G.gradient_norm": float("inf")}, "the gradient of G is not finite in the turn 'generators'"),
        (
            {"generators.not_finite": 2.0},
            "a gradient is not finite in the turn 'generators'; up to 2 steps in a row were left out",
        ),
    ],
)
def test_what_is_not_finite_is_said_at_once(row, said):
    judge = Judge(KNOWN)
    (change,) = judge.judge(row)
    assert (change.begins, change.finding.kind, change.finding.text) == (True, "not_finite", said)
    assert judge.judge(row) == []
    later = [judge.judge({"generators.cycle": 1.0}) for _ in range(10)]
    assert [len(changes) for changes in later] == [0] * 9 + [1]
    assert not later[-1][0].begins


def test_a_loss_scale_that_is_sought_is_no_illness():
    scaled = Known(KNOWN.turns, scaled=True)
    row = {"G.gradient_norm": float("inf"), "generators.not_finite": 3.0, f"{TERM}.diversity": float("nan")}
    assert judged(*[row] * 20, known=scaled) == []
    assert judged({"generators.cycle": float("nan")}, known=scaled) != []


SETTINGS = Settings(
    turns={"discriminators": ["D"], "fool": ["G"]},
    sides={"discriminators": "discriminators", "fool": "generators"},
    optimizers=frozenset({"discriminators", "fool"}),
    rates={"discriminators": 2e-4},
)


@pytest.mark.parametrize(
    ("finding", "named"),
    [
        (Finding("not_finite", "fool", ""), ["training.optimizers.fool.lr", "clip_norm: 1"]),
        (Finding("explosion", "D", ""), ["training.optimizers.discriminators.lr (now 0.0002)", "networks.D.weights"]),
        (Finding("frozen", "G", "", "lr"), ["raise training.optimizers.fool.lr"]),
        (Finding("frozen", "G", ""), ["training.optimizers.fool"]),
        (Finding("strides", "D", ""), ["training.optimizers.discriminators.lr"]),
        (Finding("wild", TERM, ""), ["training.optimizers.discriminators.lr"]),
        (Finding("overpowering", TERM, ""), ["discriminators.lr", "turns.discriminators.skip_below", "losses.advers"]),
        (Finding("collapse", TERM, ""), ["training.optimizers.fool.lr", "minibatch_stddev", "losses.adversarial.loss"]),
        (Finding("collapse", "adversarial", ""), ["around what losses.adversarial judges"]),
    ],
)
def test_the_advice_names_settings(finding, named):
    said = "; ".join(advice(finding, SETTINGS))
    for name in named:
        assert name in said


def test_a_leak_is_looked_for_first_where_there_was_never_a_doubt():
    assert "something tells the two sides apart" in advice(Finding("overpowering", TERM, "", "early"), SETTINGS)[0]
    assert "something tells the two sides apart" in advice(Finding("overpowering", TERM, ""), SETTINGS)[-1]


# -- trainings ---------------------------------------------------------------------------------------------------------


class Same(nn.Module):
    """A generator whose output does not depend on its input."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(size))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.value.expand(len(z), -1)


class SamePicture(nn.Module):
    """A translator whose output does not depend on its input."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.value.expand(len(image), -1, -1, -1)


def same_picture(image: Image, /, *, makes: Image) -> nn.Module:
    """One learned picture."""
    return SamePicture(makes.shape)


def same(z: Vector, /, *, makes: Vector) -> nn.Module:
    """One learned point."""
    return Same(makes.size)


def poison(of: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """A loss without a value."""
    return (of.mean() - to.mean()) / 0


class Ill:
    """What makes a training ill, as components."""

    @hookimpl
    def translate_components(self) -> Any:
        yield Component(kind="generator", name="same", target=f"{__name__}:same", summary="For tests.")
        yield Component(kind="generator", name="same_picture", target=f"{__name__}:same_picture", summary="For tests.")
        yield Component(kind="loss", name="poison", target=f"{__name__}:poison", summary="For tests.")


@pytest.fixture(scope="module")
def manager() -> PluginManager:
    found = PluginManager()
    found.load_entry_points()
    found.register(Ill(), name="ill")
    return found


def adam(lr: float, **others: Any) -> dict[str, Any]:
    return {"name": "adam", "lr": lr, "betas": [0.5, 0.999], **others}


RING: dict[str, Any] = {
    "data": {"dataset": "mixture", "law": "ring", "workers": 0},
    "latents": {"z": {"latent": "normal", "size": 2}},
    "networks": {
        # Without batch norm one in twenty of such trainings does make the same point for a while (seeds 0 to 9).
        "G": {"generator": "stack", "makes": "point", "layers": ["fc32 batch relu", "fc32 batch relu", "fc*"]},
        "D": {"discriminator": "stack", "layers": ["fc32 leaky", "fc32 leaky", "fc1"]},
    },
    "flow": {"fake": "G(z)"},
    "losses": {"adversarial": {"loss": "bce", "real": "D(point)", "fake": "D(fake)"}},
    "training": {
        "steps": 300,
        "batch_size": 64,
        "log_every": 10,
        "checkpoint_every": 10_000,
        "preview_every": 0,
        "observers": ["metrics_file", "health"],
        "optimizers": {"generators": adam(1e-3), "discriminators": adam(1e-3)},
    },
}


def changed(document: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """A copy with values at paths; None removes a key."""
    result = copy.deepcopy(document)
    for path, value in changes:
        *before, last = path.split("/")
        at = result
        for part in before:
            at = at.setdefault(part, {})
        if value is None:
            at.pop(last)
        else:
            at[last] = value
    return result


def said(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{"step": line["step"], **line["health"]} for line in lines if "health" in line]


def run(document: dict[str, Any], folder: Path, manager: PluginManager | None = None) -> list[dict[str, Any]]:
    """What was said in a training."""
    train(document, out=folder, manager=manager)
    return said(folder)


def kinds(entries: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(entry["kind"], entry["about"]) for entry in entries if entry["state"] == "began"}


def wasserstein(lr: float, clip: float) -> list[tuple[str, Any]]:
    return [
        ("losses/adversarial/loss", "wasserstein"),
        ("turns", {"discriminators": 2, "generators": 1}),
        ("training/optimizers/generators", {"name": "rmsprop", "lr": 2e-4}),
        ("training/optimizers/discriminators", {"name": "rmsprop", "lr": lr, "clip_weights": clip}),
    ]


HEALTHY: dict[str, list[tuple[str, Any]]] = {
    "bce": [],
    "lsgan": [("losses/adversarial/loss", "lsgan")],
    "lsgan, Pearson": [
        ("losses/adversarial", {"loss": "lsgan", "a": -1, "b": 1, "c": 0, "real": "D(point)", "fake": "D(fake)"})
    ],
    "lsgan, reversed": [
        ("losses/adversarial", {"loss": "lsgan", "a": 1, "b": -1, "c": -1, "real": "D(point)", "fake": "D(fake)"})
    ],
    "hinge": [("losses/adversarial/loss", "hinge"), ("networks/D/weights", "spectral")],
    "relativistic": [("losses/adversarial/loss", "relativistic")],
    "wasserstein": wasserstein(2e-4, 0.1),
    "gradient penalty": [
        ("losses/adversarial/loss", "wasserstein"),
        ("flow/between", "mix(point, fake)"),
        ("losses/penalty", {"loss": "gradient_penalty", "of": "D(between)", "at": "between", "weight": 1}),
        ("turns", {"discriminators": 5, "generators": 1}),
        ("training/optimizers/generators", {**adam(5e-4), "betas": [0.0, 0.9]}),
        ("training/optimizers/discriminators", {**adam(1e-3), "betas": [0.0, 0.9]}),
    ],
}

LEAK = [  # another condition on each side
    ("latents/one", {"latent": "uniform", "size": 1, "low": 0.9, "high": 1.0}),
    ("latents/other", {"latent": "uniform", "size": 1, "low": -1.0, "high": -0.9}),
    ("losses/adversarial", {"loss": "bce", "real": "D(point, one)", "fake": "D(fake, other)"}),
]
PLAIN = ("networks/G/layers", ["fc32 relu", "fc32 relu", "fc*"])  # batch norm would keep its gradients small
NO_LEAK = [LEAK[0], ("losses/adversarial", {"loss": "bce", "real": "D(point, one)", "fake": "D(fake, one)"})]


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_runs_hear_nothing(name, tmp_path):
    assert run(changed(RING, *HEALTHY[name]), tmp_path / "run") == []


SICK: dict[str, tuple[list[tuple[str, Any]], list[tuple[str, Any]], set[tuple[str, str]], str]] = {
    "discriminator learns 1000 times as fast": (
        [("training/optimizers/discriminators", adam(1.0))],
        [],
        {("strides", "D")},
        "a lower training.optimizers.discriminators.lr (now 1)",
    ),
    "least squares, 1000 times as fast": (
        [("losses/adversarial/loss", "lsgan"), ("training/optimizers/discriminators", adam(1.0))],
        HEALTHY["lsgan"],
        {("strides", "D"), ("wild", TERM)},
        "a lower training.optimizers.discriminators.lr (now 1)",
    ),
    "frozen generator": (
        [("training/optimizers/generators", adam(0.0))],
        [],
        {("frozen", "G")},
        "raise training.optimizers.generators.lr",
    ),
    "constant generator": (
        [("networks/G", {"generator": "same", "makes": "point"})],
        [],
        {("collapse", TERM)},
        "minibatch_stddev",
    ),
    "leaked label": (LEAK, NO_LEAK, {("overpowering", TERM)}, "something tells the two sides apart"),
    "exploding gradients": (
        [*wasserstein(1e-2, 10.0), PLAIN],
        [*HEALTHY["wasserstein"], PLAIN],
        {("explosion", "G")},
        "training.optimizers.generators.clip_norm: 1",
    ),
}


@pytest.mark.parametrize("name", SICK)
def test_an_ill_run_hears_what_it_has_and_its_cure_hears_nothing(name, tmp_path, manager):
    ill, cure, expected, hint = SICK[name]
    entries = run(changed(RING, *ill), tmp_path / "ill", manager)
    found = kinds(entries)
    assert found >= expected
    began = [(entry["kind"], entry["about"]) for entry in entries if entry["state"] == "began"]
    assert len(began) <= len(found) + 2, "not over and over"
    advised = "; ".join(text for entry in entries for text in entry["advice"])
    assert hint in advised
    assert entries[-1]["state"] == "summary"
    assert run(changed(RING, *cure), tmp_path / "cured", manager) == []


def test_a_loss_that_is_not_finite_ends_the_run_and_is_named(tmp_path, manager):
    bad = {"loss": "poison", "of": "fake", "to": "point"}
    with pytest.raises(NumbersError):
        run(changed(RING, ("losses/extra", bad), ("training/steps", 20)), tmp_path / "run", manager)
    first, last = said(tmp_path / "run")
    assert (first["step"], first["kind"], first["about"]) == (1, "not_finite", "generators")
    assert "the loss generators.extra" in first["text"]
    assert last["state"] == "summary"


DIGITS: dict[str, Any] = {
    "data": {"dataset": "idx", "root": "?", "image_size": 16, "workers": 0},
    "latents": {"z": {"latent": "normal", "size": 32}},
    "networks": {
        "G": {
            "generator": "stack",
            "makes": "image",
            "layers": ["fc32x4x4 batch relu", "t16k4s2 batch relu", "t*k4s2 tanh"],
        },
        "D": {"discriminator": "stack", "layers": ["c16k4s2 leaky", "c32k4s2 leaky", "fc1"]},
    },
    "flow": {"fake": "G(z)"},
    "losses": {"adversarial": {"loss": "bce", "real": "D(image)", "fake": "D(fake)"}},
    "training": {
        **RING["training"],
        "batch_size": 32,
        "optimizers": {"generators": adam(2e-4), "discriminators": adam(2e-4)},
    },
}

SMALL_CYCLE = [
    *("data.image_size=16", "data.transforms=[]", "data.workers=0", "training.batch_size=4", "training.steps=300"),
    *(
        "training.log_every=10",
        "training.preview_every=0",
        "training.checkpoint_every=10000",
        "schedules.rate.start=1000",
    ),
    "training.observers=[metrics_file, health]",
    *(f"networks.{name}.width=4" for name in ("G_ab", "G_ba", "D_a", "D_b")),
    *(f"networks.{name}.blocks=1" for name in ("G_ab", "G_ba")),
    *(f"networks.{name}.receptive_field=16" for name in ("D_a", "D_b")),
]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["bce", "lsgan", "hinge", "relativistic", "wasserstein"])
def test_a_healthy_gan_of_digits_hears_nothing(name, tmp_path, shared_data):
    loss = [(path, value) for path, value in HEALTHY[name] if path != "losses/adversarial"]
    document = changed(DIGITS, *loss, ("data/root", str(shared_data / "mnist")), ("training/steps", 400))
    assert run(document, tmp_path / "run") == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_generator_of_digits_that_learns_too_fast_collapses(tmp_path, shared_data):
    fast = [("data/root", str(shared_data / "mnist")), ("training/optimizers/generators", adam(0.2))]
    assert {("strides", "G"), ("collapse", TERM)} <= kinds(run(changed(DIGITS, *fast), tmp_path / "run"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_healthy_demo_hears_nothing_and_with_a_thousandfold_rate_it_does(tmp_path):
    small = [
        "data.image_size=32",
        "networks.G.width=4",
        "networks.D.width=4",
        "training.log_every=10",
        "data.workers=0",
    ]
    rest = ["training.steps=300", "training.preview_every=100", "training.observers=[metrics_file, health]"]
    train("demo", [*small, *rest], out=tmp_path / "run")
    assert said(tmp_path / "run") == []
    train("demo", [*small, *rest, "training.optimizers.discriminators.lr=0.2"], out=tmp_path / "ill")
    assert ("strides", "D") in kinds(said(tmp_path / "ill"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_healthy_cyclegan_hears_nothing(tmp_path, shared_data):
    root = f"data.root={shared_data / 'facades'}"
    train("cyclegan", [root, *SMALL_CYCLE], out=tmp_path / "run")
    assert said(tmp_path / "run") == []


# -- the previews ------------------------------------------------------------------------------------------------------


def test_where_batches_are_small_the_previews_are_judged(tmp_path, manager):
    """A generator of pictures that ignores its input, one picture a batch."""
    document = {
        "data": {"dataset": "drawn", "count": 16, "image_size": 16, "workers": 0},
        "networks": {
            "G": {"generator": "same_picture", "makes": "target"},
            "D": {"discriminator": "stack", "layers": ["c8k4s2 leaky", "c1k3"]},
        },
        "flow": {"fake": "G(source)"},
        "losses": {"adversarial": {"loss": "lsgan", "real": "D(target)", "fake": "D(fake)"}},
        "preview": ["source", "fake", "target"],
        "training": {**RING["training"], "steps": 30, "batch_size": 1, "preview_every": 5},
    }
    entries = run(document, tmp_path / "ill", manager)
    assert [(entry["step"], entry["kind"], entry["about"]) for entry in entries[:-1]] == [
        (15, "collapse", "adversarial")
    ]
    cured = changed(document, ("networks/G", {"generator": "stack", "makes": "target", "layers": ["c*k3"]}))
    assert run(cured, tmp_path / "cured", manager) == []


def test_where_it_is_asked_to_a_divergence_ends_the_training(tmp_path, manager):
    """With exit code 7, and again when the run goes on; not where it is only said, nor in a healthy run."""
    observers = ("training/observers", ["metrics_file", {"observer": "health", "on_divergence": "stop"}])
    ill = changed(RING, *SICK["constant generator"][0], observers, ("training/checkpoint_every", 50))
    with pytest.raises(NumbersError, match=r"gone wrong \(seen at step \d+\): the outputs .* nearly alike") as caught:
        train(ill, out=tmp_path / "ill", manager=manager)
    assert caught.value.exit_code == 7
    assert "training.optimizers.generators.lr" in (caught.value.fix or "")
    kept = tmp_path / "ill" / "checkpoints"
    newest = max(kept.iterdir())
    assert f"the newest checkpoint is {newest}" in caught.value.what
    assert f"--fork {newest}" in (caught.value.fix or "")
    entries = said(tmp_path / "ill")
    assert [entry["state"] for entry in entries] == ["began", "summary"]
    last = entries[0]["step"]
    assert int(caught.value.what.partition("step ")[2].partition(")")[0]) == last < 300

    goes_on = changed(ill, ("training/observers", ["metrics_file", "health"]), ("training/steps", last + 10))
    train(goes_on, out=tmp_path / "ill", manager=manager)
    with pytest.raises(NumbersError, match=f"seen at step {last + 20}"):  # it was so before
        train(changed(ill, ("training/steps", last + 30)), out=tmp_path / "ill", manager=manager)

    train(changed(RING, observers), out=tmp_path / "healthy", manager=manager)
    lr = {"schedule": "linear", "initial": 1e-3, "final": 0.0, "start": 0, "end": 60}
    rates = [(f"training/optimizers/{side}/lr", lr) for side in ("generators", "discriminators")]
    train(changed(RING, observers, *rates), out=tmp_path / "over", manager=manager)  # has learnt what it was to learn
    ends = changed(ill, ("training/steps", last))
    assert train(ends, out=tmp_path / "ends", manager=manager).step == last, "nothing is left to be saved from"


# -- what it costs and leaves ------------------------------------------------------------------------------------------


def test_no_bit_changes(tmp_path):
    """Neither by the observer nor by measuring: all that differs is how often is logged."""
    sides = {"real": "D(noise(point, std=0.1))", "fake": "D(pool(noise(fake, std=0.1), size=64))"}
    noisy = {"loss": "bce", "label_noise": 0.1, **sides}
    document = changed(RING, ("losses/adversarial", noisy), ("training/steps", 30))
    often = changed(document, ("training/log_every", 1))
    seldom = changed(document, ("training/log_every", 1000), ("training/observers", []))
    train(often, out=tmp_path / "often")
    train(seldom, out=tmp_path / "seldom")
    first, second = weights(tmp_path / "often"), weights(tmp_path / "seldom")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_goes_on_with_what_it_knew(tmp_path, manager):
    ill = changed(RING, *SICK["constant generator"][0], ("training/steps", 300))
    whole = run(ill, tmp_path / "whole", manager)
    train(changed(ill, ("training/steps", 250)), out=tmp_path / "cut", manager=manager)
    assert kinds(said(tmp_path / "cut")) == {("collapse", TERM)}
    again = run(ill, tmp_path / "cut", manager)
    assert [entry for entry in again if entry["state"] == "began"] == [e for e in whole if e["state"] == "began"]
    assert again[-1] == whole[-1], "the summary knows what was seen before"
