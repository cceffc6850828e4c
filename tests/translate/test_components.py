"""Records refuse what cannot work; the catalogue finds, and explains what it does not find."""

from __future__ import annotations

import pytest

from translate.components import (
    Catalogue,
    Command,
    Component,
    Entry,
    Provider,
    ShippedPipeline,
    sorted_catalogue,
)
from translate.errors import PluginError

ACME = Provider("acme", "acme-gan", "2.1")
ZETA = Provider("zeta", "zeta-gan", "1.0")


def component(kind: str = "loss", name: str = "l1", target: str = "json:dumps") -> Component:
    return Component(kind=kind, name=name, target=target, summary="A summary.")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"kind": "los"}, "kind must be one of generator,"),
        ({"name": "L1"}, "lower-case"),
        ({"name": "a-b"}, "lower-case"),
        ({"name": "l1\n"}, "lower-case"),
        ({"target": "json.dumps"}, "'package.module:attribute'"),
        ({"target": "json:dumps.x"}, "'package.module:attribute'"),
    ],
)
def test_a_component_record_refuses_what_cannot_work(values, match):
    with pytest.raises(ValueError, match=match):
        component(**values)


def test_pipeline_and_command_records_refuse_names_that_cannot_be_typed():
    with pytest.raises(ValueError, match="pipeline name"):
        ShippedPipeline(name="My Pipeline", package="p", file="f.yaml", summary="")
    with pytest.raises(ValueError, match="command name"):
        Command(name="--help", target="json:dumps", summary="")
    with pytest.raises(ValueError, match="target must be"):
        Command(name="hello", target="json", summary="")


def catalogue(*pairs: tuple[Component, Provider], **values) -> Catalogue:
    return sorted_catalogue([Entry(record, provider) for record, provider in pairs], **values)


def test_order_is_by_kind_name_and_plugin_and_not_by_arrival():
    pairs = [(component(name="b"), ACME), (component("generator", "z"), ACME), (component(name="a"), ZETA)]
    names = [(entry.kind, entry.name) for entry in catalogue(*pairs).entries]
    assert names == [("generator", "z"), ("loss", "a"), ("loss", "b")]
    assert [(entry.kind, entry.name) for entry in catalogue(*reversed(pairs)).entries] == names


def test_a_bare_name_works_when_unique_and_the_qualified_one_always():
    found = catalogue((component(), ACME))
    assert found.find("loss", "l1") is found.find("loss", "acme/l1")
    assert found.names("loss") == ["l1"]


def test_a_clash_names_both_providers_and_both_ways_to_write_it():
    found = catalogue((component(), ACME), (component(), ZETA))
    with pytest.raises(LookupError) as caught:
        found.find("loss", "l1")
    for part in ("acme (acme-gan 2.1)", "zeta (zeta-gan 1.0)", "'acme/l1'", "'zeta/l1'"):
        assert part in str(caught.value)
    assert found.find("loss", "zeta/l1").provider == ZETA
    assert found.names("loss") == ["acme/l1", "zeta/l1"]


def test_an_unknown_name_says_what_was_meant_what_exists_and_what_was_not_loaded():
    found = catalogue((component("generator", "unet"), ACME), not_loaded=["broken 1 (ImportError: gone)"])
    with pytest.raises(LookupError) as caught:
        found.find("generator", "unte")
    message = str(caught.value)
    assert message == (
        "'unte' is not a generator. Did you mean 'unet'? Available: unet. Not loaded: broken 1 (ImportError: gone)."
    )
    with pytest.raises(LookupError, match="There is a generator of this name"):
        found.find("operation", "unet")
    with pytest.raises(LookupError, match="is not an operation"):
        found.find("operation", "unet")
    with pytest.raises(LookupError, match="Did you mean 'acme/unet'"):
        found.find("generator", "acme/unte")


def test_pipelines_are_found_by_bare_and_qualified_name():
    shipped = ShippedPipeline(name="mine", package="p", file="mine.yaml", summary="")
    found = sorted_catalogue([], [(shipped, ACME)])
    assert found.find_pipeline("mine") == found.find_pipeline("acme/mine") == (shipped, ACME)
    with pytest.raises(LookupError, match=r"'mnie' is not a pipeline. Did you mean 'mine'"):
        found.find_pipeline("mnie")


@pytest.mark.parametrize("target", ["no_such_package_here:x", "json:no_such_attribute"])
def test_a_target_that_cannot_be_imported_is_the_plugins_fault(target):
    with pytest.raises(PluginError) as caught:
        _ = Entry(component(target=target), ACME).factory
    assert "loss 'l1' cannot be imported" in caught.value.what
    assert "acme (acme-gan 2.1)" in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_signature_that_breaks_the_rules_is_the_plugins_fault():
    with pytest.raises(PluginError, match="swallow misspelt keys"):
        _ = Entry(component("schedule", target="json:dumps"), ACME).schema
