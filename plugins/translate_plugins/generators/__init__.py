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
        summary="Residual generator of CycleGAN and pix2pixHD.",
    )
    yield Component(
        kind="generator",
        name="resnet_encoder",
        target="translate_plugins.generators.resnet_pieces:resnet_encoder",
        summary="First part of the residual generator, with its features where a loss reads them.",
    )
    yield Component(
        kind="generator",
        name="residual_blocks",
        target="translate_plugins.generators.resnet_pieces:residual_blocks",
        summary="Middle part of the residual generator, to share between domains.",
    )
    yield Component(
        kind="generator",
        name="resnet_decoder",
        target="translate_plugins.generators.resnet_pieces:resnet_decoder",
        summary="Last part of the residual generator, to an image or to features.",
    )
    yield Component(
        kind="generator",
        name="spade",
        target="translate_plugins.generators.spade:spade",
        summary="Image from a segmentation map by spatially-adaptive normalisation.",
    )
    yield Component(
        kind="generator",
        name="draw",
        target="translate_plugins.generators.draw:draw",
        summary="DRAW's recurrent autoencoder: glimpses read and patches drawn with attention.",
    )
    yield Component(
        kind="generator",
        name="projector",
        target="translate_plugins.generators.projector:projector",
        summary="Small networks that make sampled features comparable (CUT).",
    )
    yield Component(
        kind="generator",
        name="stack",
        target="translate_plugins.generators.stack:stack",
        summary="A network as a list of layers: MLPs, DCGAN's generator, encoders, heads.",
    )
    yield Component(
        kind="generator",
        name="embedding",
        target="translate_plugins.generators.embedding:embedding",
        summary="A learned vector for each class; learns with the generator.",
    )
    yield Component(
        kind="generator",
        name="synthesis",
        target="translate_plugins.generators.synthesis:synthesis",
        summary="StyleGAN's generator: an image from style codes, with noise and style mixing.",
    )
    yield Component(
        kind="generator",
        name="progressive",
        target="translate_plugins.generators.progressive:progressive",
        summary="ProGAN's generator, which grows, or makes all resolutions at once (MSG-GAN).",
    )
