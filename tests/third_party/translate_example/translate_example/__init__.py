"""An example plugin. This module only lists what there is: it imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Command, Component, ShippedPipeline, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the components."""
    networks, parts = "translate_example.networks", "translate_example.parts"
    yield Component(kind="generator", name="plain", target=f"{networks}:plain", summary="Three convolutions.")
    yield Component(kind="discriminator", name="small", target=f"{networks}:small", summary="Two convolutions.")
    yield Component(kind="parametrization", name="unit", target=f"{parts}:unit", summary="Weights of norm 1.")
    yield Component(kind="loss", name="charbonnier", target=f"{parts}:charbonnier", summary="A smooth L1.")
    yield Component(kind="operation", name="flip", target=f"{parts}:flip", summary="Mirror images.")
    yield Component(kind="latent", name="sphere", target=f"{parts}:Sphere", summary="Uniform on a sphere.")
    yield Component(kind="schedule", name="halving", target=f"{parts}:Halving", summary="Halves every so often.")
    yield Component(kind="metric", name="worst", target=f"{parts}:worst", summary="The largest error of a pixel.")
    yield Component(kind="observer", name="tally", target="translate_example.tally:Tally", summary="Counts steps.")
    yield Component(kind="dataset", name="stripes", target="translate_example.data:stripes", summary="Drawn stripes.")


@hookimpl
def translate_pipelines() -> Iterable[ShippedPipeline]:
    """List the pipelines."""
    yield ShippedPipeline(
        name="stripes", package="translate_example", file="stripes.yaml", summary="Turns stripes, with all parts here."
    )


@hookimpl
def translate_commands() -> Iterable[Command]:
    """List the commands."""
    yield Command(name="greet", target="translate_example.greet:greet", summary="Greet someone.")
