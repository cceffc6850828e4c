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
    yield Component(
        kind="operation",
        name="add",
        target="translate_plugins.operations.add:add",
        summary="Sum of values of one shape.",
    )
    yield Component(
        kind="operation",
        name="multiply",
        target="translate_plugins.operations.multiply:multiply",
        summary="Product of values of one shape.",
    )
    yield Component(
        kind="operation",
        name="augment",
        target="translate_plugins.operations.augment:Augment",
        summary="Differentiable augmentation of what a discriminator sees.",
    )
    yield Component(
        kind="operation",
        name="border",
        target="translate_plugins.operations.border:border",
        summary="Weights that are heavier in the outer pixels.",
    )
    yield Component(
        kind="operation",
        name="boundaries",
        target="translate_plugins.operations.boundaries:boundaries",
        summary="Where a label map changes from a pixel to the next.",
    )
    yield Component(
        kind="operation",
        name="chroma",
        target="translate_plugins.operations.chroma:chroma",
        summary="CIE a* and b* of a colour image.",
    )
    yield Component(
        kind="operation",
        name="edges",
        target="translate_plugins.operations.edges:edges",
        summary="Edges: 3 x 3 dilation minus the image.",
    )
    yield Component(
        kind="operation",
        name="lab_to_rgb",
        target="translate_plugins.operations.lab_to_rgb:lab_to_rgb",
        summary="A colour image from lightness and chroma.",
    )
    yield Component(
        kind="operation",
        name="lightness",
        target="translate_plugins.operations.lightness:lightness",
        summary="CIE L* of an image.",
    )
    yield Component(
        kind="operation",
        name="minibatch_stddev",
        target="translate_plugins.operations.minibatch_stddev:minibatch_stddev",
        summary="Append the standard deviation over the batch.",
    )
    yield Component(
        kind="operation",
        name="mirror",
        target="translate_plugins.operations.mirror:mirror",
        summary="Mirror examples left to right by a coin.",
    )
    yield Component(
        kind="operation",
        name="negative",
        target="translate_plugins.operations.negative:negative",
        summary="Black for white.",
    )
    yield Component(
        kind="operation",
        name="one_hot",
        target="translate_plugins.operations.one_hot:one_hot",
        summary="One-hot vectors of labels.",
    )
    yield Component(
        kind="operation",
        name="last_class",
        target="translate_plugins.operations.last_class:last_class",
        summary="The last class of some logits, for each example.",
    )
    yield Component(
        kind="operation",
        name="paste",
        target="translate_plugins.operations.paste:paste",
        summary="Put a patch into the hole of an image.",
    )
    yield Component(
        kind="operation",
        name="rotate",
        target="translate_plugins.operations.rotate:rotate",
        summary="Rotate by quarter turns.",
    )
    yield Component(
        kind="operation",
        name="reparametrise",
        target="translate_plugins.operations.reparametrise:reparametrise",
        summary="A sample of a Gaussian code, made of given noise.",
    )
    yield Component(
        kind="operation",
        name="sigmoid",
        target="translate_plugins.operations.sigmoid:sigmoid",
        summary="Probabilities of logits.",
    )
    yield Component(
        kind="operation",
        name="sample_code",
        target="translate_plugins.operations.sample_code:SampleCode",
        summary="Draw from a Gaussian code of means and log variances.",
    )
    yield Component(
        kind="operation",
        name="sample_patches",
        target="translate_plugins.operations.sample_patches:SamplePatches",
        summary="Features of two images at the same random places.",
    )
    yield Component(
        kind="operation",
        name="to_classes",
        target="translate_plugins.operations.to_classes:ToClasses",
        summary="One map for each colour of a label picture.",
    )
    yield Component(
        kind="operation",
        name="crop",
        target="translate_plugins.operations.crop:crop",
        summary="Images without their border.",
    )
    yield Component(
        kind="operation",
        name="halves",
        target="translate_plugins.operations.halves:halves",
        summary="A code cut in two: its means and log variances.",
    )
    yield Component(
        kind="operation",
        name="shuffle",
        target="translate_plugins.operations.shuffle:Shuffle",
        summary="The examples of a batch in another order.",
    )
    yield Component(
        kind="operation",
        name="blur",
        target="translate_plugins.operations.blur:blur",
        summary="Blur by [1, 2, 1], as in StyleGAN's resampling.",
    )
    yield Component(
        kind="operation",
        name="truncate",
        target="translate_plugins.operations.truncate:Truncate",
        summary="Style codes moved towards their mean, outside training.",
    )
    yield Component(
        kind="operation",
        name="pack",
        target="translate_plugins.operations.pack:pack",
        summary="Several examples seen as one, for the discriminator.",
    )
    yield Component(
        kind="operation",
        name="replay",
        target="translate_plugins.operations.replay:Replay",
        summary="A share of the fakes drawn from a buffer of earlier ones.",
    )
    yield Component(
        kind="operation",
        name="scatter",
        target="translate_plugins.operations.scatter:scatter",
        summary="Points of the plane as one picture.",
    )
    yield Component(
        kind="operation",
        name="shrink",
        target="translate_plugins.operations.shrink:shrink",
        summary="Images at the resolution of a network that grows.",
    )
    yield Component(
        kind="operation",
        name="pyramid",
        target="translate_plugins.operations.shrink:pyramid",
        summary="Images at every resolution from 4x4 up, as a list.",
    )
