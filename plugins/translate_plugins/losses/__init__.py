"""Built-in losses: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in losses."""
    yield Component(
        kind="loss",
        name="bce",
        target="translate_plugins.losses.bce:BinaryCrossEntropy",
        summary="Adversarial: binary cross-entropy on logits.",
    )
    yield Component(
        kind="loss",
        name="lsgan",
        target="translate_plugins.losses.lsgan:LeastSquares",
        summary="Adversarial: least squares.",
    )
    yield Component(
        kind="loss",
        name="hinge",
        target="translate_plugins.losses.hinge:Hinge",
        summary="Adversarial: hinge.",
    )
    yield Component(
        kind="loss",
        name="wasserstein",
        target="translate_plugins.losses.wasserstein:Wasserstein",
        summary="Adversarial: Wasserstein critic.",
    )
    yield Component(
        kind="loss",
        name="relativistic",
        target="translate_plugins.losses.relativistic:Relativistic",
        summary="Adversarial: real compared with fake.",
    )
    yield Component(
        kind="loss",
        name="gradient_penalty",
        target="translate_plugins.losses.gradient_penalty:GradientPenalty",
        summary="Penalty of WGAN-GP on the critic's gradient; use with mix.",
    )
    yield Component(
        kind="loss",
        name="r1",
        target="translate_plugins.losses.r1:R1",
        summary="Penalty on the discriminator's gradient at real examples; use with leaf.",
    )
    yield Component(
        kind="loss",
        name="l1",
        target="translate_plugins.losses.l1:l1",
        summary="Mean absolute difference.",
    )
    yield Component(
        kind="loss",
        name="l2",
        target="translate_plugins.losses.l2:l2",
        summary="Mean squared difference.",
    )
    yield Component(
        kind="loss",
        name="feature_matching",
        target="translate_plugins.losses.feature_matching:FeatureMatching",
        summary="Fake and real examples alike in the discriminator's features.",
    )
    yield Component(
        kind="loss",
        name="patch_nce",
        target="translate_plugins.losses.patch_nce:PatchContrast",
        summary="Contrastive: each patch nearest to its own place in the other image.",
    )
    yield Component(
        kind="loss",
        name="perceptual",
        target="translate_plugins.losses.perceptual:Perceptual",
        summary="Difference in the features of VGG-19; its weights are never downloaded.",
    )
    yield Component(
        kind="loss",
        name="cross_entropy",
        target="translate_plugins.losses.cross_entropy:cross_entropy",
        summary="Cross-entropy between logits and classes.",
    )
    yield Component(
        kind="loss",
        name="mutual_information",
        target="translate_plugins.losses.mutual_information:mutual_information",
        summary="How much a picture tells of its code, bounded from below (InfoGAN); raised.",
    )
    yield Component(
        kind="loss",
        name="bernoulli",
        target="translate_plugins.losses.bernoulli:bernoulli",
        summary="Negative log likelihood of black and white pictures, in nats.",
    )
    yield Component(
        kind="loss",
        name="kl",
        target="translate_plugins.losses.kl:kl",
        summary="Divergence of a Gaussian code from N(0, 1).",
    )
    yield Component(
        kind="loss",
        name="drift",
        target="translate_plugins.losses.drift:Drift",
        summary="Keeps a critic's values on real examples near zero.",
    )
