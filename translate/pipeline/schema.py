"""JSON Schema of the pipeline format, made from the catalogue, for completion and checking in editors.

It says what one file may look like: keys, component names, choices, types and ranges. What hangs together across a
file (names in expressions, shapes) only `translate check` can say. A file that extends another one may give parts of a
component, and null to remove one, so two sets of definitions are made: `whole` and `part`.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from translate.components import Catalogue, Entry, Kind
from translate.errors import PluginError
from translate.pipeline.phases import CLIPS, PHASE_TRAINING_KEYS, TURN_KEYS
from translate.pipeline.reading import TOP_LEVEL
from translate.pipeline.settings import (
    SIDE_OF_KIND,
    SIDES,
    DataKeys,
    EvaluationKeys,
    ExportKeys,
    InferenceKeys,
    Section,
    TrainingKeys,
)
from translate.plugin_manager import default_manager

Form = Literal["whole", "part"]
Json = dict[str, Any]

KINDS_IN_FILES: tuple[Kind, ...] = (
    "dataset", "latent", "schedule", "generator", "discriminator", "loss", "metric", "observer",
    "parametrization",
)  # fmt: skip
BARE: frozenset[Kind] = frozenset({"latent", "schedule", "observer", "parametrization"})
"""Kinds of which a bare name will do: `z: normal`."""

EXPRESSION: Json = {"type": "string", "description": "An expression such as `G(source)`."}
NULL: Json = {"type": "null"}


def json_schema(catalogue: Catalogue | None = None) -> Json:
    """The schema of a pipeline file, with one alternative for every component that is installed."""
    catalogue = catalogue or default_manager().catalogue
    definitions = {f"{form}_{kind}": _kind(catalogue, kind, form) for form in get_args(Form) for kind in KINDS_IN_FILES}
    whole = {"properties": _sections("whole"), "required": ["data", "networks", "losses"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Image translation pipeline",
        "type": "object",
        "properties": {
            **dict.fromkeys(TOP_LEVEL, True),
            "description": {"type": "string"},
            "extends": {"type": "string", "description": "Another pipeline to start from: a name or a file beside."},
        },
        "additionalProperties": False,
        "if": {"required": ["extends"]},
        "then": {"properties": _sections("part")},
        "else": whole,
        "$defs": definitions,
    }


def _sections(form: Form) -> Json:
    """The sections of a file."""
    training = _section(TrainingKeys, form)
    training["properties"] |= {"optimizers": _optimizers(form), "observers": _list(_ref("observer", form))}
    training["properties"]["observers"] = {"anyOf": [NULL, training["properties"]["observers"]]}
    evaluation = _section(EvaluationKeys, form)
    evaluation["properties"]["metrics"] = _map(_ref("metric", form), form)
    return {
        "data": _ref("dataset", form),
        "latents": _map(_ref("latent", form), form),
        "schedules": _map(_ref("schedule", form), form),
        "networks": _map({"anyOf": [_ref("generator", form), _ref("discriminator", form)]}, form),
        **_game(form),
        "training": training,
        "phases": _list(_phase()),
        "preview": _list(EXPRESSION),
        "inference": _section(InferenceKeys, form),
        "export": _map(_section(ExportKeys, form), form),
        "evaluation": evaluation,
    }


def _game(form: Form) -> Json:
    """What a phase may change, and the optimisers."""
    return {
        "flow": _map(EXPRESSION, form),
        "losses": _map(_ref("loss", form), form),
        "turns": _map({"anyOf": [_number_or_schedule(form), _turn(form)]}, form),
    }


def _phase() -> Json:
    whole = _section(TrainingKeys, "part")["properties"]
    keys = {key: whole[key] for key in PHASE_TRAINING_KEYS} | {"optimizers": _optimizers("part")}
    training = {"type": "object", "properties": keys, "additionalProperties": False}
    return {
        "type": "object",
        "required": ["start"],
        "properties": {"start": {"type": "integer", "minimum": 1}, **_game("part"), "training": training},
        "additionalProperties": False,
    }


def _turn(form: Form) -> Json:
    names = {"anyOf": [{"type": "string"}, _list({"type": "string"})]}
    forms = {"learn": names, "losses": names, "steps": _number_or_schedule(form), "side": {"enum": list(SIDES)}}
    forms["skip_below"] = {"anyOf": [{"type": "number"}, _map({"type": "number"}, form), NULL]}
    forms["most_skips"] = {"anyOf": [{"type": "integer", "minimum": 1}, NULL]}
    forms["fresh"] = {"type": "boolean"}
    return {"type": "object", "properties": {key: forms[key] for key in TURN_KEYS}, "additionalProperties": False}


def _optimizers(form: Form) -> Json:
    from translate.optimizers import optimizer_classes  # imports torch

    rate = {"anyOf": [{"type": "number", "minimum": 0}, *_number_or_schedule(form)["anyOf"][1:]]}
    clip = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, NULL]}
    optimizer = {
        "type": "object",
        "properties": {"name": {"enum": list(optimizer_classes())}, "lr": rate, **dict.fromkeys(CLIPS, clip)},
    }
    return _map(optimizer, form)


def _number_or_schedule(form: Form) -> Json:
    in_place = {"$ref": f"#/$defs/{form}_schedule"}
    return {"anyOf": [{"type": "number"}, {"type": "string", "description": "Name of a schedule."}, in_place]}


# -- components -------------------------------------------------------------------------------------------------------


def _kind(catalogue: Catalogue, kind: Kind, form: Form) -> Json:
    """Any component of a kind; as a part, also parameters without the name."""
    alternatives: list[Json] = []
    for entry in catalogue.of_kind(kind):
        names = [name for name in (entry.name, entry.qualified_name) if name in catalogue.names(kind)]
        try:
            alternatives += [_component(entry, name, form) for name in names]
        except PluginError:
            continue  # a component that cannot be imported has no schema; `translate plugins` shows why
    if form == "part":
        keys = {key for alternative in alternatives for key in alternative["properties"]} - {kind}
        nameless = {"type": "object", "properties": dict.fromkeys(sorted(keys), True), "additionalProperties": False}
        alternatives.append(nameless)
    if kind in BARE:
        alternatives.append({"type": "string"})
    return {"anyOf": alternatives} if alternatives else {"type": "object"}


def _component(entry: Entry, name: str, form: Form) -> Json:
    schema = entry.schema.json_schema()
    properties = {**schema.get("properties", {}), **dict.fromkeys(entry.schema.expressions, EXPRESSION)}
    if entry.kind == "loss":
        properties |= {"weight": _number_or_schedule(form), "side": {"enum": [*SIDES, None]}}
    if entry.kind in SIDE_OF_KIND:
        properties["weights"] = {"anyOf": [_ref("parametrization", form), NULL]}
    if entry.kind == "dataset":
        properties |= _section(DataKeys, form)["properties"]
    needed = [*schema.get("required", []), *(key for key, needed in entry.schema.expressions.items() if needed)]
    if form == "part":
        properties = {key: {"anyOf": [value, NULL]} for key, value in properties.items()}
        needed = []
    component = {
        "type": "object",
        "description": entry.component.summary,
        "properties": {entry.kind: {"const": name}, **properties},
        "required": [entry.kind, *needed],
        "additionalProperties": False,
    }
    inlined: Json = _inlined(component, schema.get("$defs", {}))
    return inlined


# -- pieces -----------------------------------------------------------------------------------------------------------


def _section(model: type[Section], form: Form) -> Json:
    schema = model.model_json_schema()
    section: Json = _inlined(schema, schema.pop("$defs", {}))
    if form == "part":
        section["properties"] = {key: {"anyOf": [value, NULL]} for key, value in section["properties"].items()}
        section.pop("required", None)
    return section


def _inlined(value: Any, definitions: Json) -> Any:
    """A value with pydantic's own references (`#/$defs/NAME`) replaced by what they stand for."""
    if isinstance(value, list):
        return [_inlined(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    name = str(value.get("$ref", "")).rpartition("/")[2]
    if name in definitions:
        return _inlined(definitions[name], definitions)
    return {key: _inlined(item, definitions) for key, item in value.items()}


def _ref(kind: Kind, form: Form) -> Json:
    return {"$ref": f"#/$defs/{form}_{kind}"}


def _map(item: Json, form: Form) -> Json:
    """Free names with values; in a part null removes one."""
    return {"type": "object", "additionalProperties": item if form == "whole" else {"anyOf": [item, NULL]}}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}
