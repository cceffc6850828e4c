"""Built-in generators: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in generators."""
    yield Component(
        kind="generator",
        name="unet",
        target="translate_plugins.generators.unet:unet",
        summary="U-Net of pix2pix: encoder and decoder with skip connections.",
    )
    yield Component(
        kind="generator",
        name="encoder_decoder",
        target="translate_plugins.generators.unet:encoder_decoder",
        summary="The U-Net with its skip connections cut.",
    )
    yield Component(
        kind="generator",
        name="resnet",
        target="translate_plugins.generators.resnet:resnet",
        summary="Residual generator of CycleGAN.",
    )
