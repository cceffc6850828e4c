"""JSON Schema of the pipeline format, made from the catalogue, for completion and checking in editors."""

from __future__ import annotations

from typing import Any

from translate.components import Catalogue, Entry
from translate.errors import PluginError
from translate.pipeline.settings import (
    DataKeys,
    EvaluationKeys,
    ExportKeys,
    InferenceKeys,
    Section,
    TrainingKeys,
)
from translate.plugin_manager import default_manager

EXPRESSION = {"type": "string", "description": "An expression such as `G(source)`."}
NUMBER_OR_SCHEDULE: dict[str, Any] = {
    "anyOf": [{"type": "number"}, {"type": "string", "description": "Name of a schedule."}, {"$ref": "#/$defs/schedule"}]
}


def json_schema(catalogue: Catalogue | None = None) -> dict[str, Any]:
    """The schema of a pipeline file, with one alternative for every component that is installed."""
    catalogue = catalogue or default_manager().catalogue
    kinds = ("generator", "discriminator", "loss", "latent", "schedule", "metric", "observer", "dataset")
    definitions: dict[str, Any] = {kind: _one_of(catalogue, kind) for kind in kinds}
    turn = {
        "type": "object",
        "properties": {
            "learn": {"anyOf": [{"type": "string"}, _list({"type": "string"})]},
            "losses": {"anyOf": [{"type": "string"}, _list({"type": "string"})]},
            "steps": NUMBER_OR_SCHEDULE,
            "side": {"enum": ["generators", "discriminators"]},
        },
        "additionalProperties": False,
    }
    optimizer = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "lr": NUMBER_OR_SCHEDULE,
            **{key: {"type": ["number", "null"]} for key in ("clip_norm", "clip_value", "clip_weights")},
        },
    }
    optimizers = {"type": "object", "additionalProperties": optimizer}
    game = {
        "flow": _map(EXPRESSION),
        "losses": _map({"$ref": "#/$defs/loss"}),
        "turns": _map({"anyOf": [NUMBER_OR_SCHEDULE, turn]}),
    }
    training = _section(TrainingKeys)
    training["properties"]["optimizers"] = optimizers
    training["properties"]["observers"] = _list({"anyOf": [{"type": "string"}, {"$ref": "#/$defs/observer"}]})
    evaluation = _section(EvaluationKeys)
    evaluation["properties"]["metrics"] = _map({"$ref": "#/$defs/metric"})
    phase = {
        "type": "object",
        "required": ["start"],
        "properties": {
            "start": {"type": "integer", "minimum": 1},
            **game,
            "training": {"type": "object", "properties": {"optimizers": optimizers}, "additionalProperties": False},
        },
        "additionalProperties": False,
    }
    properties = {
        "description": {"type": "string"},
        "extends": {"type": "string", "description": "Another pipeline to start from."},
        "data": {"$ref": "#/$defs/dataset"},
        "latents": _map({"$ref": "#/$defs/latent"}),
        "schedules": _map({"$ref": "#/$defs/schedule"}),
        "networks": _map({"anyOf": [{"$ref": "#/$defs/generator"}, {"$ref": "#/$defs/discriminator"}]}),
        **game,
        "training": training,
        "phases": _list(phase),
        "preview": _list(EXPRESSION),
        "inference": _section(InferenceKeys),
        "export": _map(_section(ExportKeys)),
        "evaluation": evaluation,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Image translation pipeline",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _one_of(catalogue: Catalogue, kind: str) -> dict[str, Any]:
    alternatives = []
    for entry, name in zip(catalogue.of_kind(kind), catalogue.names(kind), strict=True):
        try:
            alternatives.append(_component(entry, name))
        except PluginError:
            continue  # a component that cannot be imported has no schema; `translate plugins` shows why
    return {"anyOf": alternatives} if alternatives else {"type": "object"}


def _component(entry: Entry, name: str) -> dict[str, Any]:
    schema = entry.schema.json_schema()
    properties = dict(schema.get("properties", {}))
    required = [entry.kind, *schema.get("required", [])]
    for expression, needed in entry.schema.expressions.items():
        properties[expression] = EXPRESSION
        required += [expression] if needed else []
    if entry.kind == "loss":
        properties["weight"] = NUMBER_OR_SCHEDULE
    if entry.kind == "dataset":
        properties |= _section(DataKeys)["properties"]
    result = {
        "type": "object",
        "description": entry.component.summary,
        "properties": {entry.kind: {"const": name}, **properties},
        "required": required,
        "additionalProperties": False,
    }
    if "$defs" in schema:
        result["$defs"] = schema["$defs"]
    return result


def _section(model: type[Section]) -> dict[str, Any]:
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return _inlined(schema, definitions)


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        if "$ref" in value:
            return _inlined(definitions[value["$ref"].rpartition("/")[2]], definitions)
        return {key: _inlined(item, definitions) for key, item in value.items()}
    return [_inlined(item, definitions) for item in value] if isinstance(value, list) else value


def _map(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": item}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}
