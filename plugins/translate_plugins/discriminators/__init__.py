"""Built-in discriminators: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in discriminators."""
    yield Component(
        kind="discriminator",
        name="minibatch_discrimination",
        target="translate_plugins.discriminators.minibatch_discrimination:minibatch_discrimination",
        summary="Append how close the other examples of the batch are; learns with the discriminator.",
    )
    yield Component(
        kind="discriminator",
        name="patchgan",
        target="translate_plugins.discriminators.patchgan:patchgan",
        summary="Patch discriminator of pix2pix: 1, 16, 70 or 286 pixels; at several scales that of pix2pixHD.",
    )
    yield Component(
        kind="discriminator",
        name="stack",
        target="translate_plugins.discriminators.stack:stack",
        summary="A network as a list of layers: MLPs, DCGAN's discriminator, trunks, classifiers.",
    )
    yield Component(
        kind="discriminator",
        name="embedding",
        target="translate_plugins.generators.embedding:embedding",
        summary="A learned vector for each class; learns with the discriminator.",
    )
    yield Component(
        kind="discriminator",
        name="progressive",
        target="translate_plugins.discriminators.progressive:progressive",
        summary="ProGAN's discriminator, which grows, or takes all resolutions at once (MSG-GAN).",
    )
