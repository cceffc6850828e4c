"""Built-in metrics: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in metrics."""
    yield Component(
        kind="metric",
        name="l1",
        target="translate_plugins.metrics.l1:l1",
        summary="Mean absolute difference.",
    )
    yield Component(
        kind="metric",
        name="l2",
        target="translate_plugins.metrics.l2:l2",
        summary="Mean squared difference.",
    )
    yield Component(
        kind="metric",
        name="psnr",
        target="translate_plugins.metrics.psnr:psnr",
        summary="Peak signal-to-noise ratio in dB.",
    )
    yield Component(
        kind="metric",
        name="ssim",
        target="translate_plugins.metrics.ssim:ssim",
        summary="Structural similarity.",
    )
    yield Component(
        kind="metric",
        name="histogram_intersection",
        target="translate_plugins.metrics.histogram_intersection:HistogramIntersection",
        summary="Agreement of colour distributions in CIELAB.",
    )
    yield Component(
        kind="metric",
        name="gradient_energy_ratio",
        target="translate_plugins.metrics.gradient_energy_ratio:GradientEnergyRatio",
        summary="Sharpness beside that of the targets.",
    )
    yield Component(
        kind="metric",
        name="pixel_agreement",
        target="translate_plugins.metrics.pixel_agreement:PixelAgreement",
        summary="Share of equal black and white pixels in pairs, beside wrong pairs (CoGAN's PAR).",
    )
    yield Component(
        kind="metric",
        name="correlation",
        target="translate_plugins.metrics.correlation:Correlation",
        summary="Pearson correlation of pairs of pictures, beside wrong pairs.",
    )
    yield Component(
        kind="metric",
        name="diversity",
        target="translate_plugins.metrics.diversity:Diversity",
        summary="Variance of the outputs beside that of the targets.",
    )
    yield Component(
        kind="metric",
        name="palette_accuracy",
        target="translate_plugins.metrics.palette_accuracy:PaletteAccuracy",
        summary="Pixel and class accuracy of painted label maps.",
    )
    yield Component(
        kind="metric",
        name="classifier",
        target="translate_plugins.metrics.classifier:Classifier",
        summary="Class agreement and Frechet distance by a classifier trained on the spot.",
    )
    yield Component(
        kind="metric",
        name="class_accuracy",
        target="translate_plugins.metrics.class_accuracy:ClassAccuracy",
        summary="Accuracy of a network of the pipeline, with its own names of the classes matched too.",
    )
    yield Component(
        kind="metric",
        name="class_diversity",
        target="translate_plugins.metrics.class_diversity:ClassDiversity",
        summary="Variance within each class beside that of the real examples.",
    )
    yield Component(
        kind="metric",
        name="code_correlation",
        target="translate_plugins.metrics.code_correlation:CodeCorrelation",
        summary="Correlation of continuous codes with what a network finds of them.",
    )
    yield Component(
        kind="metric",
        name="mutual_information",
        target="translate_plugins.metrics.mutual_information:mutual_information",
        summary="How much pictures tell of their codes, in nats (InfoGAN's bound).",
    )
    yield Component(
        kind="metric",
        name="elbo",
        target="translate_plugins.metrics.elbo:Elbo",
        summary="Evidence lower bound of an autoencoder, in nats.",
    )
    yield Component(
        kind="metric",
        name="moments",
        target="translate_plugins.metrics.moments:Moments",
        summary="Mean and spread of codes beside those of a prior.",
    )
    yield Component(
        kind="metric",
        name="probe",
        target="translate_plugins.metrics.probe:Probe",
        summary="Whether a small network can tell codes from samples of a prior.",
    )
    yield Component(
        kind="metric",
        name="frechet_inception",
        target="translate_plugins.metrics.frechet_inception:FrechetInception",
        summary="FID, where the Inception weights are there.",
    )
    yield Component(
        kind="metric",
        name="kernel_inception",
        target="translate_plugins.metrics.kernel_inception:KernelInception",
        summary="KID, where the Inception weights are there.",
    )
    yield Component(
        kind="metric",
        name="lpips",
        target="translate_plugins.metrics.lpips:Lpips",
        summary="Learned perceptual distance, where the weights are there.",
    )
    yield Component(
        kind="metric",
        name="modes",
        target="translate_plugins.metrics.modes:Modes",
        summary="Modes of a mixture that were captured, and how well.",
    )
    yield Component(
        kind="metric",
        name="stacked_modes",
        target="translate_plugins.metrics.stacked_modes:StackedModes",
        summary="Captured classes of stacked digits and their KL, by a classifier trained on the spot.",
    )
