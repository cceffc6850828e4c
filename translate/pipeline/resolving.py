"""The resolved pipeline: plain data with every default filled in, which reads back to the same pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from translate.components import KINDS
from translate.pipeline.expressions import to_text
from translate.pipeline.phases import CLIPS
from translate.pipeline.settings import OptimizerSettings, Phase, Pipeline, Schedulable, Term, Turn, Use


def resolved_document(pipeline: Pipeline) -> dict[str, Any]:
    """The pipeline as plain data. Loading it again gives an equal document."""
    first, *later = [_phase(phase, pipeline) for phase in pipeline.phases]
    document: dict[str, Any] = {
        "description": pipeline.description,
        "data": {**component(pipeline.dataset), **pipeline.data.model_dump()},
        "schedules": {name: component(use) for name, use in pipeline.schedules.items()},
        "latents": {name: component(use) for name, use in pipeline.latents.items()},
        "networks": {name: component(use) for name, use in pipeline.networks.items()},
        **first,
        "training": {
            **pipeline.training.model_dump(),
            **first["training"],
            "observers": [component(use) for use in pipeline.observers],
        },
        "phases": [
            {"start": phase.start, **changes(before, after)}
            for phase, before, after in zip(pipeline.phases[1:], [first, *later], later, strict=False)
        ],
        "preview": [to_text(expression) for expression in pipeline.preview],
        "inference": pipeline.inference.model_dump(),
        "export": {
            name: {"inputs": list(export.inputs), "output": to_text(export.output)}
            for name, export in pipeline.exports.items()
        },
        "evaluation": {
            **pipeline.evaluation.model_dump(),
            "metrics": {name: component(use) for name, use in pipeline.metrics.items()},
        },
    }
    optional = ("description", "schedules", "latents", "flow", "phases", "preview", "export")
    return {key: value for key, value in document.items() if value or key not in optional}


def component(use: Use) -> dict[str, Any]:
    """A component with all its choices."""
    specs = {
        key: {name: to_text(item) for name, item in value.items()} if isinstance(value, Mapping) else to_text(value)
        for key, value in use.specs.items()
    }
    expressions = {key: to_text(value) for key, value in use.expressions.items()}
    choices = {key: to_plain(value) for key, value in use.choices.items()}
    ordered = {choice.name: {**choices, **specs}.get(choice.name) for choice in use.entry.schema.choices}
    weights = {"weights": component(use.weights)} if use.weights is not None else {}
    return {use.entry.kind: use.written or use.name, **expressions, **ordered, **weights}


def to_plain(value: Any) -> Any:
    """A checked value as YAML can hold it."""
    if isinstance(value, BaseModel):
        return to_plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, Enum):
        return to_plain(value.value)
    return str(value) if isinstance(value, Path) else value


def _phase(phase: Phase, pipeline: Pipeline) -> dict[str, Any]:
    return {
        "flow": {name: to_text(expression) for name, expression in phase.flow.items()},
        "losses": {name: {**component(term.use), **_game_keys(term, pipeline)} for name, term in phase.losses.items()},
        "turns": {name: _turn(turn, pipeline) for name, turn in phase.turns.items()},
        "training": {
            "batch_size": phase.batch_size,
            "optimizers": {name: _optimizer(settings, pipeline) for name, settings in phase.optimizers.items()},
            "reset_optimizers": phase.reset_optimizers,
        },
    }


def _game_keys(term: Term, pipeline: Pipeline) -> dict[str, Any]:
    side = {} if term.side is None else {"side": term.side}
    return {"weight": _schedulable(term.weight, pipeline), **side}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What to lay over one mapping, by the rules of merging, to get another: null removes a key.

    >>> changes({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4}})
    {'a': None, 'b': {'c': 4, 'd': None}}
    """
    laid: dict[str, Any] = dict.fromkeys(key for key in before if key not in after)
    for key, value in after.items():
        old = before.get(key)
        if key in before and isinstance(old, Mapping) and isinstance(value, Mapping) and _name(old) == _name(value):
            inside = changes(old, value)
            laid |= {key: inside} if inside else {}
        elif key not in before or old != value:
            laid[key] = value
    return laid


def _name(component: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a mapping names: merging replaces a component as a whole where this changes."""
    return [(key, component[key]) for key in (*KINDS, "name") if isinstance(component.get(key), str)]


def _turn(turn: Turn, pipeline: Pipeline) -> dict[str, Any]:
    losses = {} if turn.losses is None else {"losses": list(turn.losses)}
    below = dict(turn.skip_below) if isinstance(turn.skip_below, Mapping) else turn.skip_below
    more: dict[str, Any] = {} if below is None else {"skip_below": below}
    more |= {} if turn.most_skips is None else {"most_skips": turn.most_skips}
    more |= {"fresh": True} if turn.fresh else {}
    return {"learn": list(turn.learn), **losses, "side": turn.side, "steps": _steps(turn.steps, pipeline), **more}


def _steps(value: Schedulable, pipeline: Pipeline) -> Any:
    return int(value) if isinstance(value, float) else _schedulable(value, pipeline)


def _optimizer(settings: OptimizerSettings, pipeline: Pipeline) -> dict[str, Any]:
    clips = {key: getattr(settings, key) for key in CLIPS if getattr(settings, key) is not None}
    parameters = {key: to_plain(value) for key, value in settings.parameters.items()}
    return {"name": settings.name, "lr": _schedulable(settings.lr, pipeline), **parameters, **clips}


def _schedulable(value: Schedulable, pipeline: Pipeline) -> Any:
    if isinstance(value, float):
        return value
    named = [name for name, use in pipeline.schedules.items() if use is value]
    return named[0] if named else component(value)
