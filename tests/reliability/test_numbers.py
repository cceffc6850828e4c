"""Numbers that are not finite: no step is taken with them, no such weight saved over a good one, and it is said."""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import record
import support_numbers as numbers
import torch
from small_sets import small_settings, write_small_sets
from support_forks import spread, write_toy

PIPELINES = ("pix2pix", "cyclegan", "wgan_gp", "bicyclegan")
MORE = ("acgan", "wgan", "unit", "infogan", "stargan", "pix2pix_hd")
HEALTH = Path(__file__).parents[1] / "plugins" / "observers" / "test_health.py"
DIVERGING = (*("discriminator learns 1000 times as fast", "frozen generator", "constant generator", "leaked label"),)


def words_of(name: str, data: Path) -> list[str]:
    """The command line of a pipeline, small; the toy's file is there before the drivers start, which share it."""
    if name == "toy":
        return [str(data / "toy.yaml")]
    return [name, *small_settings(name, data)]


# -- the trials, in a driver ------------------------------------------------------------------------------------------


def weak(plant: str | None, patch: pytest.MonkeyPatch) -> None:
    """Plant a weakness that a harness must find."""
    import translate.training.engine as engine
    from translate.training import checkpoint
    from translate.training.turns import TurnRunner

    if plant == "looks only at logged steps":
        look, iterate, logged = engine.non_finite, TurnRunner.iterate, [False]

        def iterating(runner: Any, step: int, *, measuring: bool = False) -> Any:
            logged[0] = measuring
            return iterate(runner, step, measuring=measuring)

        patch.setattr(TurnRunner, "iterate", iterating)
        patch.setattr(engine, "non_finite", lambda gradients: logged[0] and look(gradients))
    elif plant == "looks at gradients alone":
        look = engine.non_finite
        patch.setattr(engine, "non_finite", lambda gradients: look(gradients[:-1]))
    elif plant == "saves without a look":
        patch.setattr(checkpoint, "_not_finite", lambda flat: None)
    elif plant == "lets the scale fall":
        scaler = torch.amp.GradScaler
        patch.setattr(engine, "SMALLEST_SCALE", 0.0)
        patch.setattr(torch.amp, "GradScaler", lambda device: scaler(device, init_scale=2.0**-130))  # has fallen long
    elif plant == "decides on the device":  # no weakness: as on a GPU
        from translate.training.guard import non_finite_there

        patch.setattr(engine, "non_finite", non_finite_there)


def trial(item: dict[str, Any]) -> list[dict[str, Any]]:
    """All injections of one pipeline."""
    folder, draw = Path(item["folder"]), random.Random(f"{item['seed']}/{item['name']}")
    words = words_of(item["name"], Path(item["data"]))
    with pytest.MonkeyPatch.context() as patch:
        terms = numbers.terms_of(words, folder / "terms")
        weak(item.get("plant"), patch)
        return [
            numbers.inject(words, folder / "run", turn, term, kind, at)
            for turn, term in terms
            for kind in (numbers.KINDS if item["all"] else (numbers.KINDS[0], draw.choice(numbers.KINDS[1:])))
            for at in item["at"] or [draw.choice((2, 3, 5))]  # none of these is logged
        ]


def poisoned(item: dict[str, Any]) -> list[dict[str, Any]]:
    """A weight that is not finite in each network of a pipeline, in turn."""
    folder = Path(item["folder"])
    words = words_of(item["name"], Path(item["data"]))
    with pytest.MonkeyPatch.context() as patch:
        weak(item.get("plant"), patch)
        return [
            numbers.poison(words, folder / "run", network, what, 4)
            for network, buffers in numbers.has_buffers(words).items()
            for what in ["weight"] + ["buffer"] * buffers + ["average"] * (item["name"] == "toy" and network == "G")
        ]


def collapse(item: dict[str, Any]) -> dict[str, Any]:
    """Gradients that overflow with fp16, for so many steps of the generators."""
    folder, data = Path(item["folder"]), Path(item["data"])
    data.mkdir(parents=True, exist_ok=True)
    steps, count = item["steps"], item["count"]
    settings = [f"training.steps={steps}", "training.precision=fp16", f"training.patience={item.get('patience', 3)}"]
    injection = numbers.Injection("generators", "reconstruction", "gradient alone", 3, 2 + count)
    with pytest.MonkeyPatch.context() as patch, injection.installed():
        weak(item.get("plant"), patch)
        code, text = numbers.command(
            "train", *words_of("toy", data), *numbers.SETTINGS, *settings, "training.checkpoint_every=100",
            "--out", folder / "run",
        )  # fmt: skip
    own = [(now, moved) for now, turn, moved in injection.moved if turn == "generators"]
    return {
        "code": code,
        "text": text,
        "ended": injection.now,
        "smallest": min(injection.scales),
        "taken": sum(moved for now, moved in own if 3 <= now <= 2 + count),
        "moves again": any(moved for now, moved in own if now > 2 + count),
    }


# -- what a harness says of them --------------------------------------------------------------------------------------


def items_of(names: tuple[str, ...], folder: Path, **choices: Any) -> list[dict[str, Any]]:
    """An item for each pipeline, and the data that they need."""
    data = folder / "data"
    if not data.is_dir():
        data.mkdir()
        if names != ("toy",):
            write_small_sets(data)
    places = {name: folder / "-".join((name, *map(str, choices.values()))) for name in names}
    same = {"data": str(data), "seed": record.SEED, "at": None, "all": True, **choices}
    return [{"name": name, "folder": str(place), **same} for name, place in places.items()]


def injected(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the injections."""
    stuck = [one for one in found if not (one["spoilt"] and one["left out"] + one["taken"] and one["healthy moved"])]
    assert not stuck, f"nothing happened there: {stuck}"
    failures = [
        one
        for one in found
        if one["taken"] or one["code"] != 7 or one["problems"] or one["unreadable"] or one["bad saved"]
    ]
    return {
        "injections": len(found),
        "steps left out": sum(one["left out"] for one in found),
        "steps taken": sum(one["taken"] for one in found),
        "exit 7, naming step, term, network": sum(one["code"] == 7 and not one["problems"] for one in found),
        "checkpoints with a bad weight": sum(bool(one["bad saved"]) for one in found),
        "failures": failures,
    }


def saved(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the poisoned saves."""
    good = {"code": 7, "problems": [], "bad saved": [], "newest": 2, "unreadable": 0, "aside": ["failed-000004"]}
    return {
        "poisoned saves": len(found),
        "exit 7, kept aside": sum(one["code"] == 7 and one["aside"] == good["aside"] for one in found),
        "saved over a good one": sum(bool(one["bad saved"]) for one in found),
        "failures": [one for one in found if not one.items() >= good.items()],
    }


def state(name: str, figures: dict[str, Any], began: float) -> None:
    values = {name: value for name, value in figures.items() if name != "failures"}
    record.figure(name=name, goal="G10", values=values, seed=record.SEED, seconds=time.monotonic() - began)


# -- the default suite ------------------------------------------------------------------------------------------------


PLANTS = ("none", "decides on the device", "looks only at logged steps", "looks at gradients alone")
SCALES: dict[str, dict[str, Any]] = {
    "lasting": {"steps": 60, "count": 60},
    "search": {"steps": 12, "count": 5},
    "long": {"steps": 44, "count": 40, "patience": 1000},
    "unguarded": {"steps": 44, "count": 40, "patience": 1000, "plant": "lets the scale fall"},
}


def any_trial(item: dict[str, Any]) -> Any:
    return {"trial": trial, "poisoned": poisoned, "collapse": collapse}[item["does"]](item)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """All trials of the small pipeline, in one go: the drivers begin once."""
    folder = tmp_path_factory.mktemp("numbers")
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for plant in PLANTS:
        items["trial", plant] = items_of(("toy",), folder, does="trial", plant=plant, at=[2])[0]
    for plant in ("none", "saves without a look"):
        items["poisoned", plant] = items_of(("toy",), folder, does="poisoned", plant=plant)[0]
    for name, scale in SCALES.items():
        items["collapse", name] = items_of(("toy",), folder, does="collapse", case=name)[0] | scale
    write_toy(folder / "data" / "toy.yaml")
    return dict(zip(items, spread(any_trial, list(items.values()), folder), strict=True))


@pytest.mark.parametrize("plant", PLANTS[:2])
def test_no_step_is_taken_with_a_number_that_is_not_finite(small, plant):
    figures = injected(small["trial", plant])
    assert figures["failures"] == []
    assert figures["injections"] == figures["exit 7, naming step, term, network"] == 9
    assert figures["steps taken"] == 0


@pytest.mark.parametrize("plant", PLANTS[2:])
def test_the_harness_finds_a_guard_that_looks_too_seldom(small, plant):
    figures = injected(small["trial", plant])
    assert figures["steps taken"] > 0
    assert len(figures["failures"]) >= 3


def test_weights_that_are_not_finite_are_kept_aside(small):
    figures = saved(small["poisoned", "none"])
    assert figures == {"poisoned saves": 4, "exit 7, kept aside": 4, "saved over a good one": 0, "failures": []}


def test_the_harness_finds_a_save_that_does_not_look(small):
    figures = saved(small["poisoned", "saves without a look"])
    assert figures["saved over a good one"] == figures["poisoned saves"] == len(figures["failures"])


def test_a_loss_scale_that_collapses_is_noticed(small):
    lasting = small["collapse", "lasting"]
    assert (lasting["code"], lasting["taken"]) == (7, 0)
    assert 32 <= lasting["ended"] <= 2 + 32  # at the scale that a training begins with the first two may overflow too
    warning, *block = lasting["text"].splitlines()
    assert "loss scale of fp16 falls" in warning
    assert "8 steps of the turn 'generators' in a row" in warning
    assert "not finite for 32 steps in a row" in block[0]
    assert "bf16" in "\n".join(block)
    assert len(block) == 4
    search = small["collapse", "search"]
    assert search["code"] == 0
    assert "loss scale" not in search["text"]


def test_the_loss_scale_never_comes_to_nothing(small):
    long, unguarded = small["collapse", "long"], small["collapse", "unguarded"]
    assert (long["code"], long["taken"], long["moves again"]) == (0, 0, True)
    assert long["smallest"] == 2.0**-16
    assert unguarded["smallest"] == 0.0
    assert not unguarded["moves again"], "a scale of 0 is for ever"


# -- the figures ------------------------------------------------------------------------------------------------------


@pytest.mark.reliability
@pytest.mark.timeout(7200)
def test_every_term_of_four_pipelines(tmp_path):
    """G10: each term of each turn, its gradient, its loss, or both, from a step on that may or may not be logged."""
    began = time.monotonic()
    bench = record.SIZE == "bench"
    names = PIPELINES + MORE if bench else PIPELINES
    found = spread(trial, items_of(names, tmp_path, at=[2, 3, 4, 5] if bench else None, all=bench), tmp_path)
    figures = {"pipelines": len(names)} | injected([one for many in found for one in many])
    state("not finite, in each term", figures, began)
    assert figures["failures"] == []
    assert figures["exit 7, naming step, term, network"] == figures["injections"]


@pytest.mark.reliability
@pytest.mark.timeout(7200)
def test_every_network_of_four_pipelines(tmp_path):
    """G10: a weight of each network is not finite when it is to be saved."""
    began = time.monotonic()
    names = PIPELINES + MORE if record.SIZE == "bench" else PIPELINES
    found = spread(poisoned, items_of(names, tmp_path), tmp_path)
    figures = saved([one for many in found for one in many])
    state("not finite, at a save", figures, began)
    assert figures["failures"] == []


def heard(item: dict[str, Any]) -> list[str]:
    """What the observer of the health has to say of one of its runs."""
    health = _health()
    manager = health.PluginManager()
    manager.load_entry_points()
    manager.register(health.Ill(), name="ill")
    changes, name = [], item["name"]
    if item["kind"] == "ill":
        changes = health.SICK[name][0]
    elif item["kind"] == "cured":
        changes = health.SICK[name][1]
    else:
        changes = health.HEALTHY[name]
    document = health.changed(health.RING, *changes, ("training/seed", item["seed"]))
    entries = health.run(document, Path(item["folder"]), manager)
    return sorted(f"{kind} {about}".strip() for kind, about in health.kinds(entries))


def _health() -> Any:
    spec = importlib.util.spec_from_file_location("health_runs", HEALTH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its components are looked up
    spec.loader.exec_module(module)
    return module


@pytest.mark.reliability
@pytest.mark.timeout(7200)
def test_divergences_are_found_and_healthy_runs_are_not(tmp_path):
    """G10: four kinds of divergence and ten healthy runs (forty and a hundred, by seeds, as a bench)."""
    began = time.monotonic()
    health = _health()
    runs = [
        *(("ill", name) for name in DIVERGING),
        *(("healthy", name) for name in health.HEALTHY),
        *(("cured", name) for name in ("leaked label", "exploding gradients")),
    ]
    seeds = range(record.SEED, record.SEED + (10 if record.SIZE == "bench" else 1))
    items = [
        {"kind": kind, "name": name, "seed": seed, "folder": str(tmp_path / f"{number}-{seed}")}
        for seed in seeds
        for number, (kind, name) in enumerate(runs)
    ]
    found = spread(heard, items, tmp_path)
    kinds = Counter((item["kind"] == "ill", bool(said)) for item, said in zip(items, found, strict=True))
    values = {
        "divergences found": f"{kinds[True, True]} of {kinds[True, True] + kinds[True, False]}",
        "false alarms": f"{kinds[False, True]} of {kinds[False, True] + kinds[False, False]}",
    }
    state("silent divergence", values, began)
    wrong = [(*item.values(), said) for item, said in zip(items, found, strict=True)
             if (item["kind"] == "ill") != bool(said)]  # fmt: skip
    assert not wrong
