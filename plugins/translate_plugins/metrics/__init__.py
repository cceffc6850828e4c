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
