"""The resolved pipeline has every default, and reads back to itself."""

from __future__ import annotations

import pytest

from translate.pipeline import load_pipeline
from translate.pipeline.document import parse_document
from translate.pipeline.dumping import dump
from translate.pipeline.merging import merge
from translate.pipeline.resolving import changes
from translate.plugin_manager import default_manager

SHIPPED = sorted(default_manager().catalogue.pipelines)


def given(name):
    asks = load_pipeline(name, complete=False).resolved["data"].get("root") == "???"
    return ["data.root=folder"] if asks else []


def same(pipeline, catalogue=None):
    """Compared as text, so that the order of turns counts."""
    again = load_pipeline(pipeline.resolved, catalogue=catalogue)
    assert dump(again.resolved) == dump(pipeline.resolved)
    return again


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pipelines_read_back(name):
    pipeline = load_pipeline(name, given(name))
    again = same(pipeline)
    assert "extends" not in pipeline.resolved
    assert again.training.ema == pipeline.training.ema
    assert again.data == pipeline.data


def test_every_default_is_there(load):
    resolved = load().pipeline.resolved
    assert resolved["networks"]["G"]["width"] == 8
    assert resolved["training"]["checkpoint_every"] == 500
    assert resolved["losses"]["adversarial"]["weight"] == 1.0
    assert list(resolved["turns"]) == ["discriminators", "generators"]
    assert resolved["training"]["optimizers"]["generators"] == {"name": "adam", "lr": 2e-4, "betas": [0.5, 0.999]}


INVENTED = {
    "turns by hand": "turns: {b: {learn: D, losses: [adversarial]}, a: {learn: [G], steps: growth}}",
    "counts": "turns: {generators: 2, discriminators: 5}",
    "schedule in place": "turns: {discriminators: {schedule: constant, value: 3}}",
    "removed term": "phases:\n  - {start: 3, losses: {reconstruction: null}}",
    "removed and added": "phases:\n"
    "  - {start: 3, losses: {reconstruction: null, other: {loss: l2, of: fake, to: target, weight: growth}}}\n"
    "  - {start: 6, losses: {other: {weight: 2}}, flow: {fake: 'G(target, z)'}}",
    "another loss": "phases:\n"
    "  - {start: 3, losses: {adversarial: {loss: lsgan, real: 'D(source, target)', fake: 'D(source, fake)'}}}",
    "choices that go": "phases:\n"
    "  - {start: 3, losses: {adversarial: {smoothing: 0.1}}}\n  - {start: 6, losses: {adversarial: {smoothing: null}}}",
    "removed turn": "phases:\n  - {start: 3, turns: {discriminators: null}}\n"
    "  - {start: 6, turns: {discriminators: 3}}",
    "new turn": "phases:\n  - {start: 3, turns: {extra: {learn: G, losses: reconstruction}}}",
    "one turn more often": "turns: {generators: 2}\nphases:\n  - {start: 3, turns: {discriminators: 4}}",
    "optimisers": "phases:\n"
    "  - {start: 3, training: {optimizers: {generators: {name: sgd, lr: 1, clip_norm: 1}}}}\n"
    "  - {start: 6, training: {optimizers: {generators: {clip_norm: null, lr: growth}}}}\n"
    "  - {start: 9, training: {optimizers: {generators: {name: adamw}}}}",
}


@pytest.mark.parametrize("text", INVENTED.values(), ids=INVENTED)
def test_invented_pipelines_read_back(load, catalogue, text):
    tried = load(("", text + "\n"))
    assert not tried.problems, str(tried)
    again = same(tried.pipeline, catalogue)
    for before, after in zip(tried.pipeline.phases, again.phases, strict=True):
        assert list(before.turns) == list(after.turns)
        assert set(before.losses) == set(after.losses)
        assert [t.steps if isinstance(t.steps, float) else t.steps.choices for t in before.turns.values()] == [
            t.steps if isinstance(t.steps, float) else t.steps.choices for t in after.turns.values()
        ]
        for name, settings in before.optimizers.items():
            mine = after.optimizers[name]
            assert (settings.name, settings.parameters, settings.clip_norm) == (
                mine.name,
                mine.parameters,
                mine.clip_norm,
            )


def test_a_phase_says_only_what_changes(load):
    phases = load(("", "phases:\n  - {start: 3, losses: {reconstruction: {weight: 5}}}\n")).pipeline.resolved["phases"]
    assert phases == [{"start": 3, "losses": {"reconstruction": {"weight": 5.0}}}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"b": 3}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}),
        ({"losses": {"x": {"loss": "l1", "beta": 1}}}, {"losses": {"x": {"loss": "l2", "alpha": 2}}}),
        ({"a": {"b": 1}}, {"a": 2}),
        ({"a": 2}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [1]}),
        ({}, {"a": {"b": None}}),
    ],
)
def test_changes_laid_over_give_what_was_wanted(before, after):
    def document(data):
        return parse_document(dump(data), name="x")

    assert merge(document(before), document(changes(before, after))).data == after
