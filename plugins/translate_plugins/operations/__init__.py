"""Built-in operations: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in operations."""
    yield Component(
        kind="operation",
        name="concat",
        target="translate_plugins.operations.concat:concat",
        summary="Join images (and vectors) on their channels.",
    )
    yield Component(
        kind="operation",
        name="leaf",
        target="translate_plugins.operations.leaf:leaf",
        summary="A point at which a gradient can be taken.",
    )
    yield Component(
        kind="operation",
        name="mix",
        target="translate_plugins.operations.mix:Mix",
        summary="Random points between real and fake examples.",
    )
    yield Component(
        kind="operation",
        name="noise",
        target="translate_plugins.operations.noise:Noise",
        summary="Add Gaussian noise.",
    )
    yield Component(
        kind="operation",
        name="pool",
        target="translate_plugins.operations.pool:Pool",
        summary="A history of fakes: half of the queries return an old one.",
    )
    yield Component(
        kind="operation",
        name="resize",
        target="translate_plugins.operations.resize:resize",
        summary="Resize images.",
    )
