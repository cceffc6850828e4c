"""Built-in pipelines: the hook that lists them."""

from __future__ import annotations

from collections.abc import Iterable

from translate import ShippedPipeline, hookimpl

PIPELINES = {
    "bicyclegan": "Multimodal paired translation: a code says which of many outputs (Zhu et al. 2017).",
    "cogan_depth": "Coupled GANs on colour and depth, never paired (Liu & Tuzel 2016).",
    "cogan_edge": "Coupled GANs on digits and their edges (Liu & Tuzel 2016).",
    "cogan_negative": "Coupled GANs on digits and their negatives (Liu & Tuzel 2016).",
    "cogan_rotation": "Coupled GANs on digits and turned digits (Liu & Tuzel 2016).",
    "colorization": "Grey pictures to colour, L to ab, with pix2pix's losses (Isola et al. 2017).",
    "context_encoder": "Inpainting by an encoder with an adversarial loss (Pathak et al. 2016).",
    "cut": "Contrastive one-sided unpaired translation (Park et al. 2020).",
    "cyclegan": "Unpaired translation with cycle consistency (Zhu et al. 2017).",
    "cyclegan_conditional": "Label-conditioned CycleGAN, the label in both players' inputs.",
    "cyclegan_identity": "CycleGAN with the identity loss (Zhu et al. 2017, section 5.2).",
    "demo": "A small pix2pix on buildings drawn by code; what `translate demo` trains.",
    "discogan": "Unpaired cross-domain relations with feature matching (Kim et al. 2017).",
    "dualgan": "Unpaired dual learning with Wasserstein critics (Yi et al. 2017).",
    "dualgan_sigmoid": "DualGAN with sigmoid cross-entropy, its authors' later form.",
    "fastcut": "CUT without its identity term, lighter (Park et al. 2020).",
    "pix2pix": "Paired translation with a U-Net and a conditional PatchGAN (Isola et al. 2017).",
    "pix2pix_encoder_decoder": "pix2pix with the skip connections cut (Isola et al. 2017, section 4.2).",
    "pix2pix_gan": "The unconditional GAN ablation of pix2pix, which ignores its input.",
    "pix2pix_hd": "High-resolution paired translation from coarse to fine (Wang et al. 2018).",
    "pix2pix_l1": "The L1-only ablation of pix2pix, which blurs.",
    "spade": "Label maps to photographs by spatially-adaptive normalisation (Park et al. 2019).",
    "stargan": "Translation between many labelled domains with one generator (Choi et al. 2018).",
    "unit": "Unpaired translation through a shared latent space (Liu et al. 2017).",
}


@hookimpl
def translate_pipelines() -> Iterable[ShippedPipeline]:
    """List the shipped pipelines."""
    return [
        ShippedPipeline(name=name, package=__name__, file=f"{name}.yaml", summary=summary)
        for name, summary in PIPELINES.items()
    ]
