"""Built-in latents: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in latents."""
    yield Component(
        kind="latent",
        name="normal",
        target="translate_plugins.latents.normal:Normal",
        summary="Independent N(0, std) values.",
    )
    yield Component(
        kind="latent",
        name="uniform",
        target="translate_plugins.latents.uniform:Uniform",
        summary="Independent values from U(low, high).",
    )
    yield Component(
        kind="latent",
        name="categorical",
        target="translate_plugins.latents.categorical:Categorical",
        summary="One of several classes, one-hot or as a label.",
    )
    yield Component(
        kind="latent",
        name="constant",
        target="translate_plugins.latents.constant:Constant",
        summary="A number that stays open in the exported file.",
    )
    yield Component(
        kind="latent",
        name="hypersphere",
        target="translate_plugins.latents.hypersphere:Hypersphere",
        summary="Equally likely points of one length.",
    )
