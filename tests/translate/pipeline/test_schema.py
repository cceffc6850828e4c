"""The JSON Schema is a schema, accepts what is right and refuses what is damaged."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from translate.pipeline import json_schema, load_pipeline
from translate.pipeline.loading import find_document
from translate.plugin_manager import default_manager

SHIPPED = sorted(default_manager().catalogue.pipelines)


@pytest.fixture(scope="module")
def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def resolved(name):
    asks = load_pipeline(name, complete=False).resolved["data"].get("root") == "???"
    return dict(load_pipeline(name, ["data.root=folder"] if asks else []).resolved)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_and_resolved_pipelines_are_accepted(validator, name):
    for data in (find_document(name, default_manager().catalogue).data, resolved(name)):
        errors = [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(data)]
        assert not errors


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("dta",), {}),
        (("data", "rot"), "x"),
        (("data", "image_size"), "big"),
        (("data", "value_range"), [0]),
        (("networks", "G", "generator"), "unte"),
        (("networks", "G", "wdth"), 3),
        (("networks", "G", "depth"), 0),
        (("networks", "G", "norm"), "bach"),
        (("networks", "G", "makes"), 3),
        (("losses", "reconstruction", "loss"), "l"),
        (("losses", "reconstruction", "weight"), True),
        (("losses", "reconstruction", "of"), 3),
        (("turns", "generators", "side"), "generator"),
        (("turns", "generators", "learm"), "G"),
        (("turns", "generators", "skip_below"), {"adversarial": "low"}),
        (("turns", "generators", "most_skips"), 0),
        (("training", "steps"), 0),
        (("training", "device"), "cpuu"),
        (("training", "optimizers", "generators", "name"), "adm"),
        (("training", "optimizers", "generators", "lr"), -1),
        (("training", "optimizers", "generators", "clip_norm"), 0),
        (("training", "ema"), {"decay": 2}),
        (("training", "observers"), [{"observer": "termnal"}]),
        (("phases",), [{"losses": {}}]),
        (("phases",), [{"start": 3, "training": {"steps": 3}}]),
        (("preview",), "fake"),
        (("inference", "dropout"), "of"),
        (("export", "translate", "inputs"), []),
        (("evaluation", "metrics", "l1", "metric"), "l3"),
        (("evaluation", "baseline", "by"), None),
    ],
)
def test_damaged_pipelines_are_refused(validator, path, value):
    data = copy.deepcopy(resolved("pix2pix"))
    assert validator.is_valid(data)
    inside = data
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    assert not validator.is_valid(data)


def test_a_file_that_extends_another_may_give_parts(validator):
    part = {"extends": "pix2pix", "networks": {"G": {"width": 3}, "D": None}, "losses": {"adversarial": None}}
    assert validator.is_valid(part)
    assert not validator.is_valid({**part, "networks": {"G": {"wdth": 3}}})
    assert not validator.is_valid({key: value for key, value in part.items() if key != "extends"})


def test_every_component_that_is_installed_is_offered():
    definitions = json_schema()["$defs"]
    for kind in ("generator", "discriminator", "loss", "metric", "dataset", "latent", "schedule", "observer"):
        alternatives = definitions[f"whole_{kind}"]["anyOf"]
        offered = {item["properties"][kind]["const"] for item in alternatives if "properties" in item}
        assert offered == set(default_manager().catalogue.names(kind))


def test_there_is_no_reference_that_leads_nowhere():
    schema = json_schema()

    def references(value):
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            value = list(value.values())
        for item in value if isinstance(value, list) else []:
            yield from references(item)

    for reference in references(schema):
        assert reference.removeprefix("#/$defs/") in schema["$defs"]


@pytest.mark.parametrize("below", [0.3, {"adversarial": 0.3}, None])
def test_thresholds_of_a_turn_are_numbers_by_name_or_one(validator, below):
    data = copy.deepcopy(resolved("pix2pix"))
    data["turns"]["discriminators"] |= {"skip_below": below, "most_skips": 5}
    assert validator.is_valid(data)
