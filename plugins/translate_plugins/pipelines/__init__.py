"""Built-in pipelines: the hook that lists them."""

from __future__ import annotations

from collections.abc import Iterable

from translate import ShippedPipeline, hookimpl

PIPELINES = {
    "aae": "Adversarial autoencoder: codes that follow a prior (Makhzani et al. 2015).",
    "acgan": "Class-conditional GAN with an auxiliary classifier (Odena et al. 2016).",
    "acgan_extra_class": "AC-GAN with one class more, for made pictures.",
    "bicyclegan": "Multimodal paired translation: a code says which of many outputs (Zhu et al. 2017).",
    "cgan": "Conditional GAN, the label in both players' inputs (Mirza & Osindero 2014).",
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
    "dcgan": "Deep convolutional GAN (Radford et al. 2015).",
    "dcgan_cifar": "The textbook DCGAN of CIFAR-10's frogs (Chollet 2017).",
    "dcgan_pooling": "A convolutional GAN with pooling and a dense feature vector.",
    "demo": "A small pix2pix on buildings drawn by code; what `translate demo` trains.",
    "discogan": "Unpaired cross-domain relations with feature matching (Kim et al. 2017).",
    "draw": "Recurrent autoencoder that draws in glimpses, with attention (Gregor et al. 2015).",
    "dualgan": "Unpaired dual learning with Wasserstein critics (Yi et al. 2017).",
    "dualgan_sigmoid": "DualGAN with sigmoid cross-entropy, its authors' later form.",
    "fastcut": "CUT without its identity term, lighter (Park et al. 2020).",
    "gan": "The first GAN with the loss that works: two perceptrons (Goodfellow et al. 2014).",
    "gan_minimax": "The first GAN with the minimax loss (Goodfellow et al. 2014).",
    "infogan": "A GAN whose codes come to mean classes and styles (Chen et al. 2016).",
    "lsgan": "Least-squares GAN (Mao et al. 2017).",
    "mixture": "A GAN on points of the plane, to see mode collapse and its cures (Lin et al. 2018).",
    "msg_gan": "All scales at once, with gradients to each (Karnewar & Wang 2019).",
    "pix2pix": "Paired translation with a U-Net and a conditional PatchGAN (Isola et al. 2017).",
    "pix2pix_encoder_decoder": "pix2pix with the skip connections cut (Isola et al. 2017, section 4.2).",
    "pix2pix_gan": "The unconditional GAN ablation of pix2pix, which ignores its input.",
    "pix2pix_hd": "High-resolution paired translation from coarse to fine (Wang et al. 2018).",
    "pix2pix_l1": "The L1-only ablation of pix2pix, which blurs.",
    "progan": "Growing from 4x4, each resolution faded in (Karras et al. 2017).",
    "spade": "Label maps to photographs by spatially-adaptive normalisation (Park et al. 2019).",
    "stargan": "Translation between many labelled domains with one generator (Choi et al. 2018).",
    "stylegan": "Style-based generator with mixing, noise and truncation (Karras et al. 2018).",
    "unit": "Unpaired translation through a shared latent space (Liu et al. 2017).",
    "vae": "Variational autoencoder with Bernoulli likelihood (Kingma & Welling 2013).",
    "wgan": "Wasserstein GAN with clipped weights (Arjovsky et al. 2017).",
    "wgan_gp": "Wasserstein GAN with gradient penalty (Gulrajani et al. 2017).",
}


@hookimpl
def translate_pipelines() -> Iterable[ShippedPipeline]:
    """List the shipped pipelines."""
    return [
        ShippedPipeline(name=name, package=__name__, file=f"{name}.yaml", summary=summary)
        for name, summary in PIPELINES.items()
    ]
