"""Built-in parametrisations of weights: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in parametrisations."""
    yield Component(
        kind="parametrization",
        name="spectral",
        target="translate_plugins.parametrizations.spectral:spectral",
        summary="Spectral normalisation of every convolution and dense layer.",
    )
    yield Component(
        kind="parametrization",
        name="equalised",
        target="translate_plugins.parametrizations.equalised:equalised",
        summary="Equalised learning rate: He's constant at run time.",
    )
