"""Built-in pipelines: the hook that lists them."""

from __future__ import annotations

from collections.abc import Iterable

from translate import ShippedPipeline, hookimpl

PIPELINES = {
    "demo": "A small pix2pix on buildings drawn by code; what `translate demo` trains.",
    "pix2pix": "Paired translation with a U-Net and a conditional PatchGAN (Isola et al. 2017).",
    "pix2pix_l1": "The L1-only ablation of pix2pix, which blurs.",
}


@hookimpl
def translate_pipelines() -> Iterable[ShippedPipeline]:
    """List the shipped pipelines."""
    return [
        ShippedPipeline(name=name, package=__name__, file=f"{name}.yaml", summary=summary)
        for name, summary in PIPELINES.items()
    ]
