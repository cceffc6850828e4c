"""The numbers of every shipped pipeline, each with the place that fixes it: a change of one must be a decision.

A path leads into the pipeline as it is resolved, `extends` and defaults included; a number in it is a place in a list.
Values are those of the papers and of the authors' code; where a pipeline differs on purpose, its header says why.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from translate.pipeline import load_pipeline
from translate.plugin_manager import default_manager

Settings = dict[str, Any]


def under(*places: str, **settings: Any) -> Settings:
    """The same settings in several places."""
    return {f"{place}.{key}": value for place in places for key, value in settings.items()}


def layers(**networks: list[str]) -> Settings:
    return {f"networks.{name}.layers": words for name, words in networks.items()}


def trained(steps: int, batch_size: int) -> Settings:
    return under("training", steps=steps, batch_size=batch_size)


def adam(lr: float | str, first: float, second: float, **more: float) -> Settings:
    return {"name": "adam", "lr": lr, "betas": [first, second], **more}


def optimizers(generators: Settings, discriminators: Settings | None = None) -> Settings:
    """Those of both sides, with nothing beside what is said here."""
    return under("training.optimizers", generators=generators, discriminators=discriminators or generators)


def falling(lr: float, start: int, end: int) -> Settings:
    """A rate that stands and then falls in a line to 0."""
    rate = {"schedule": "linear", "initial": lr, "final": 0, "start": start, "end": end}
    return {"schedules.rate": rate, **optimizers(adam("rate", 0.5, 0.999))}


def uniform(size: int, *, name: str = "z") -> Settings:
    """Latents by U(-1, 1)."""
    return under(f"latents.{name}", latent="uniform", size=size, low=-1, high=1)


def normal(size: int, *, name: str = "z", std: float = 1) -> Settings:
    """Latents by N(0, std^2)."""
    return under(f"latents.{name}", latent="normal", size=size, std=std)


def bce(*, halve: bool = False, minimax: bool = False) -> Settings:
    """4.1: both of D's terms in full; 4.13: half of them."""
    fixed = {"smoothing": 0, "label_noise": 0, "weight": 1}
    return under("losses.adversarial", loss="bce", minimax=minimax, halve=halve, **fixed)


def least_squares(*terms: str) -> Settings:
    """4.14, 4.16: labels 0 and 1; D's loss is halved and G's is not."""
    places = (f"losses.{term}" for term in terms)
    return under(*places, loss="lsgan", a=0, b=1, c=1, halve_generator=False, weight=1)


DIGITS: Final = {"data.dataset": "idx"}
FRESH: Final = {"turns.generators.fresh": True}  # latents of its own for the generator's step
RADFORD: Final = optimizers(adam(2e-4, 0.5, 0.999))  # 4.2, and of the many that follow it
JITTER: Final = {  # 4.13
    "data.image_size": 256,
    "data.transforms": [{"Resize": 286}, {"RandomCrop": 256}, "HorizontalFlip"],
}
AS_TESTED: Final = under("inference", dropout="on", batch_norm="image")  # 4.13
PATCHES: Final = {"receptive_field": 70, "width": 64}
UNET: Final = {"generator": "unet", "width": 64, "dropout": 0.5, "norm": "batch", "init_std": 0.02}
AUTHORS_RMSPROP: Final = {"name": "rmsprop", "lr": 5e-5}  # 4.8, 4.17
CLIPPED: Final = {**AUTHORS_RMSPROP, "clip_weights": 0.01}

# -- paired translation -----------------------------------------------------------------------------------------------

PIX2PIX_L1: Final = {  # 4.13
    **under("networks.G", **UNET),
    **JITTER,
    **AS_TESTED,
    **under("losses.reconstruction", loss="l1", weight=100),
    "training.optimizers.generators": adam(2e-4, 0.5, 0.999),
    **trained(80000, 1),  # 400 facades, 200 epochs
}
PIX2PIX: Final = {**PIX2PIX_L1, **bce(halve=True), **under("networks.D", norm="batch", **PATCHES), **RADFORD}

PAIRED: Final[dict[str, Settings]] = {
    "pix2pix": {**PIX2PIX, "losses.adversarial.fake": "D(source, fake)"},
    "pix2pix_encoder_decoder": {**PIX2PIX, "networks.G.generator": "encoder_decoder"},  # 4.13: skips cut
    "pix2pix_gan": {  # 4.13: the row "GAN"
        **{path: value for path, value in PIX2PIX.items() if "reconstruction" not in path},
        "losses.adversarial.fake": "D(fake)",
    },
    "pix2pix_l1": PIX2PIX_L1,  # 4.13: the row "L1"
    "colorization": {**PIX2PIX, "networks.G.makes": "colour", "data.transform": "grey"},
    "demo": {  # pix2pix made small: patches of 16 pixels, and instance norm for batches of 4
        **PIX2PIX,
        **under("data", image_size=64, transforms=["HorizontalFlip"]),
        **under("networks.G", "networks.D", width=24, norm="instance"),
        "networks.D.receptive_field": 16,
        **trained(3000, 4),
    },
    "pix2pix_hd": {  # 4.14
        "flow.condition": "concat(source, boundaries(source))",
        **under("losses.features", of="judged.features", to="real.features"),
        **under("networks.global_encoder", width=64, halvings=4, blocks=9),
        **under("networks.global_decoder", halvings=4),
        **under("networks.local_encoder", width=32, halvings=1),
        **under("networks.local_decoder", halvings=1, blocks=3),
        **under("networks.D", norm="instance", scales=3, **PATCHES),  # the paper; the released default is 2 scales
        **least_squares("adversarial"),
        **under("losses.features", loss="feature_matching", weight=10),
        **falling(2e-4, 600000, 1200000),
        "phases.0.start": 300000,
        "phases.1.start": 600000,
        **trained(1200000, 1),
    },
    "spade": {  # the authors' options: lambda_feat 10, num_D 2; lr 0.0002, halved for G and doubled for D
        **under("networks.G", width=64, hidden=128),
        **under("networks.G.weights", "networks.D.weights", parametrization="spectral"),
        **under("networks.D", norm="instance", scales=2, **PATCHES),
        "losses.adversarial.loss": "hinge",
        **under("losses.features", loss="feature_matching", weight=10),
        **optimizers(adam(1e-4, 0, 0.9), adam(4e-4, 0, 0.9)),
        **trained(200000, 1),
    },
    "bicyclegan": {  # the authors' training script: lambda_L1 10, lambda_kl 0.01, lambda_z 0.5, nz 8
        **normal(8),
        **under("networks.G", dropout=0, norm="instance"),
        **least_squares("adversarial", "adversarial_rebuilt"),
        **under("losses.reconstruction", loss="l1", weight=10),
        **under("losses.prior", variance="learned", reduce="sum", weight=0.01),
        **under("losses.latent", loss="l1", weight=0.5),
        **RADFORD,
        "training.optimizers.regression": adam(2e-4, 0.5, 0.999),
        **trained(200000, 2),
    },
    "context_encoder": {  # 4.7: 0.999 L2 + 0.001 adversarial; in a border of 4 an error counts ten times
        **under("data", image_size=128, hole=64, overlap=4, fill="mean"),
        "data.transforms": [{"SmallestMaxSize": 350}, {"RandomCrop": 128}, "HorizontalFlip"],
        "networks.G.layers.5": "c4000k4v batch leaky",
        "networks.D.layers": [
            "c64k4s2 leaky",
            *(f"c{maps}k4s2 batch leaky" for maps in (128, 256, 512)),
            "c1k4v",
        ],
        **under("losses.tell", "losses.fool", loss="bce", smoothing=0, label_noise=0),
        "losses.tell.halve": False,
        "losses.reconstruction.weights": "border(hole, width=4, weight=10)",
        # `l2` divides by the sum of the weights: times their mean, 3.11.
        "losses.reconstruction.weight": pytest.approx(0.999 * (56**2 + 10 * (64**2 - 56**2)) / 64**2, rel=5e-4),
        "losses.tell.weight": 1,
        "losses.fool.weight": 0.001,
        **optimizers(adam(2e-3, 0.5, 0.999), adam(2e-4, 0.5, 0.999)),  # G's ten times D's
        **trained(100000, 64),
    },
}

# -- unpaired translation ---------------------------------------------------------------------------------------------

BOTH_ADVERSARIAL: Final = ("losses.adversarial_a", "losses.adversarial_b")
BOTH_CYCLES: Final = ("losses.cycle_a", "losses.cycle_b")
BOTH_GENERATORS: Final = ("networks.G_ab", "networks.G_ba")
BOTH_JUDGES: Final = ("networks.D_a", "networks.D_b")

CYCLEGAN: Final = {  # 4.16
    **JITTER,
    **under(*BOTH_GENERATORS, generator="resnet", width=64, norm="instance", blocks=None),  # 9; 6 up to 128 pixels
    **under(*BOTH_JUDGES, norm="instance", **PATCHES),
    **least_squares("adversarial_a", "adversarial_b"),
    **under(*BOTH_CYCLES, loss="l1", weight=10),
    **falling(2e-4, 100000, 200000),
    **trained(200000, 1),
}
POOL: Final = {  # 4.16
    "losses.adversarial_a.fake": "D_a(pool(fake_a, size=50))",
    "losses.adversarial_b.fake": "D_b(pool(fake_b, size=50))",
}
DUALGAN: Final = {  # 4.17
    "data.image_size": 256,
    **under(*BOTH_GENERATORS, **UNET),
    **under(*BOTH_JUDGES, norm="batch", **PATCHES),
    **AS_TESTED,
    **trained(45000, 1),
}

UNPAIRED: Final[dict[str, Settings]] = {
    "cyclegan": {**CYCLEGAN, **POOL},
    "cyclegan_conditional": {  # 1.1; without the pool (header)
        **CYCLEGAN,
        # The label of the target on the way there, that of the source on the way back, and each judged with its own.
        **under("flow", fake_b="G_ab(a, label_b)", fake_a="G_ba(b, label_a)"),
        **under("flow", again_a="G_ba(fake_b, label_a)", again_b="G_ab(fake_a, label_b)"),
        **under("losses.adversarial_a", real="D_a(a, label_a)", fake="D_a(fake_a, label_a)"),
        **under("losses.adversarial_b", real="D_b(b, label_b)", fake="D_b(fake_b, label_b)"),
    },
    "cyclegan_identity": {  # 4.16: 0.5 x 10
        **CYCLEGAN,
        **POOL,
        **under("losses.identity_a", "losses.identity_b", loss="l1", weight=5),
    },
    "dualgan": {  # 4.17: lambda 100 to 1000, 2 to 4 critic steps
        **DUALGAN,
        **under(*BOTH_ADVERSARIAL, loss="wasserstein", weight=1),
        **under(*BOTH_CYCLES, loss="l1", weight=500),
        **under("turns", **{"discriminators.steps": 3, "generators.steps": 1}),
        **optimizers(AUTHORS_RMSPROP, CLIPPED),
    },
    "dualgan_sigmoid": {  # 4.17: the authors' later code
        **DUALGAN,
        **under(*BOTH_ADVERSARIAL, loss="bce", halve=False, weight=1),
        **under(*BOTH_CYCLES, loss="l1", weight=20),
        **under("turns", **{"discriminators.steps": 1, "generators.steps": 2}),
        **optimizers({**AUTHORS_RMSPROP, "alpha": 0.9}),
    },
    "discogan": {  # 4.18: (0.1 GAN + 0.9 features) (1 - r) + reconstruction r
        "data.image_size": 64,
        **under("flow", fake_b="G_ab(a)", fake_a="G_ba(b)", again_a="G_ba(fake_b)", again_b="G_ab(fake_a)"),
        **under("losses.match_a", of="false_a.features", to="true_a.features"),
        **under("losses.match_b", of="false_b.features", to="true_b.features"),
        **under(*BOTH_GENERATORS, **{"layers.4": "c100k4v batch leaky"}),
        **under("schedules.reconstruct", values=[0.01, 0.5], boundaries=[10000]),
        **under("schedules.fool", values=pytest.approx([0.1 * 0.99, 0.1 * 0.5]), boundaries=[10000]),
        **under("schedules.match", values=pytest.approx([0.9 * 0.99, 0.9 * 0.5]), boundaries=[10000]),
        **under("losses.tell_a", "losses.tell_b", loss="bce", weight=1),
        **under("losses.fool_a", "losses.fool_b", loss="bce", weight="fool"),
        **under("losses.match_a", "losses.match_b", match="batch_mean", distance="l2", weight="match"),
        **under(*BOTH_CYCLES, loss="l2", weight="reconstruct"),
        **under("turns.discriminators.steps", schedule="cycle", values=[1, 0, 0]),
        **under("turns.generators.steps", schedule="cycle", values=[0, 1, 1]),
        **optimizers(adam(2e-4, 0.5, 0.999, weight_decay=1e-5)),
        "training.batch_size": 64,
    },
    "unit": {  # the authors' configurations: recon_x_w and recon_x_cyc_w 10, n_res 4 (one of them shared)
        **JITTER,
        **under("networks.E_a", "networks.E_b", "networks.G_a", "networks.G_b", blocks=3),
        **under("networks.into", "networks.out_of", blocks=1),
        **under(*BOTH_JUDGES, norm="none", scales=3),
        **least_squares("adversarial_a", "adversarial_b"),
        **under("losses.within", "losses.around", loss="l1", weight=10),
        # recon_kl_w and recon_kl_cyc_w 0.01 times the mean of mu^2, of which `kl` has the half
        **under("losses.prior_within", "losses.prior_around", variance="unit", reduce="mean", weight=0.02),
        **optimizers(adam(1e-4, 0.5, 0.999, weight_decay=1e-4)),
        **trained(500000, 1),
    },
    "cut": {  # the authors' options: lambda_NCE 1 over the mean of two terms, nce_T 0.07, netF_nc 256, 200 + 200 epochs
        **JITTER,
        **under("networks", **{"E.blocks": 5, "G.blocks": 4, "P.size": 256}),
        **under("networks.D", norm="instance", **PATCHES),
        **least_squares("adversarial"),
        **under("losses.nce", "losses.nce_same", weight=0.5, temperature=0.07, negatives="image"),
        **falling(2e-4, 200000, 400000),
        **trained(400000, 1),
    },
    "fastcut": {  # the same with lambda_NCE 10 and without nce_idt, 150 + 50 epochs
        **JITTER,
        **least_squares("adversarial"),
        **under("losses.nce", weight=10, temperature=0.07, negatives="image"),
        **falling(2e-4, 150000, 200000),
        **trained(200000, 1),
    },
    "stargan": {  # the authors' options: lambda_cls 1, lambda_rec 10, lambda_gp 10, d_train_repeat 5, g_repeat_num 6
        "data.image_size": 128,
        **under("networks.G", width=64, blocks=6),
        **under("flow", fake="G(image, wanted)", again="G(fake, label)", between="mix(image, fake)"),
        **under("losses.class_fake", of="C(T(fake))", to="wanted"),
        **under("losses.adversarial", loss="wasserstein", weight=1),
        **under("losses.penalty", loss="gradient_penalty", weight=10, target=1, one_sided=False),
        **under("losses.class_real", "losses.class_fake", loss="cross_entropy", weight=1),
        **under("losses.reconstruction", loss="l1", weight=10),
        **under("turns", **{"discriminators.steps": 5, "generators.steps": 1}),
        **falling(1e-4, 20000, 40000),  # num_iters 200000 and num_iters_decay 100000 count the critic's steps
        **trained(40000, 16),
    },
}

# -- generative -------------------------------------------------------------------------------------------------------

PERCEPTRONS: Final = {  # 1, source 002
    **DIGITS,
    **uniform(100),
    **FRESH,
    **layers(G=["fc256 relu", "fc512 relu", "fc*"], D=["fc256 relu", "fc128 relu", "fc1"]),
    **optimizers(adam(1e-4, 0.9, 0.999)),
    **trained(1000 * (54000 // 64), 64),
    "training.preview_every": 10 * (54000 // 64),  # every 10 epochs
}
COGAN: Final = {  # 4.15
    **normal(100),
    **under(*BOTH_ADVERSARIAL, loss="bce", halve=False, weight=1),
    **optimizers(adam(2e-4, 0.5, 0.999, weight_decay=5e-4)),
    **trained(25000, 128),
}
COGAN_CONVOLUTIONS: Final = layers(  # 4.15
    trunk=["t1024k4v batch prelu", "t512k3s2p1 batch prelu", "t256k3s2p1 batch prelu", "t128k3s2p1 batch prelu"],
    **{name: ["t*k6p1"] for name in ("G_a", "G_b")},
    **{name: ["c20k5v pool2"] for name in ("D_a", "D_b")},
    D=["c50k5v pool2", "fc500 prelu dropout0.5", "fc1"],
)
GROWING: Final = {  # 4.19: min(8192 / 2^s, 512) maps, weights ~ N(0, 1) scaled at run time by He's constant
    **under("networks.G", "networks.D", base=8192, most=512),
    **under("networks.G.weights", "networks.D.weights", parametrization="equalised", gain=pytest.approx(2**0.5)),
    "training.ema.decay": 0.999,
}
HYPERSPHERE: Final = under("latents.z", latent="hypersphere", size=512)
IN_NATS: Final = {  # 4.10, 4.11: sums over pixels and codes, on black and white digits
    **DIGITS,
    "data.binarise": "sampled",
    **under("losses.likelihood", loss="bernoulli", weight=1),
    **under("losses.prior", variance="learned", reduce="sum", weight=1),
}

GENERATIVE: Final[dict[str, Settings]] = {
    "gan": {**PERCEPTRONS, **bce()},
    "gan_minimax": {**PERCEPTRONS, **bce(minimax=True)},
    "mixture": {  # 7.1: 128 x 3, G with batch norm, batch 256, Adam 2e-4 (0.5), z 2-d, 10,000 steps; 3.4: 2,500 samples
        "data.law": "ring",
        **bce(),
        **normal(2),
        **layers(G=[*["fc128 batch relu"] * 3, "fc*"], D=[*["fc128 leaky"] * 3, "fc1"]),
        **RADFORD,
        **trained(10000, 256),
        "evaluation.count": 2500,
    },
    "dcgan": {  # 4.2
        **bce(),
        **uniform(100),
        **FRESH,
        **under("networks.G", "networks.D", init_std=0.02),
        **layers(
            G=["fc1024x4x4 batch relu", "t512k5s2 batch relu", "t256k5s2 batch relu", "t128k5s2 batch relu", "t*k5s2"],
            D=["c64k5s2 leaky", "c128k5s2 batch leaky", "c256k5s2 batch leaky", "c512k5s2 batch leaky", "fc1"],
        ),
        **RADFORD,
        "training.batch_size": 128,
    },
    "dcgan_cifar": {  # 1, source 003 and its notebook
        **normal(32),
        **FRESH,
        **under("losses.adversarial", loss="bce", label_noise=0.05),
        **under("networks.G", "networks.D", check_kernels="refuse"),
        "networks.D.layers.4": "flat dropout0.4",
        **optimizers(
            *({"name": "rmsprop", "lr": lr, "alpha": 0.9, "eps": 1e-7, "clip_value": 1} for lr in (4e-4, 8e-4))
        ),
        **trained(10000, 20),
    },
    "dcgan_pooling": {  # 1, source 001, which has no numbers: those of `dcgan`; dropout 0.4 of source 000
        **DIGITS,
        **bce(),
        **normal(100),
        **FRESH,
        "networks.D.layers.2": "fc256 leaky dropout0.4",
        **RADFORD,
        **trained(20000, 64),
    },
    "lsgan": {  # 4.3: (0, 1, 1), both sides halved; Adam 2e-4 as for its characters
        **DIGITS,
        "networks.G.layers": ["fc128x7x7 batch relu", "t64k5s2 batch relu", "t*k5s2"],
        **under("losses.adversarial", loss="lsgan", a=0, b=1, c=1, halve_generator=True),
        **uniform(100),
        **FRESH,
        "networks.D.layers": ["c64k5s2 leaky dropout0.4", "c128k5s2 leaky dropout0.4", "fc1"],
        **RADFORD,
        **trained(20000, 64),
    },
    "cgan": {  # 4.4
        **DIGITS,
        **bce(),
        **uniform(100),
        **FRESH,
        **layers(G_z=["fc200 relu"], G_y=["fc1000 relu"], G=["fc1200 batch relu", "fc*"]),
        **layers(D_x=["fc240 maxout5 dropout0.5"], D_y=["fc50 maxout5 dropout0.5"]),
        **layers(D=["fc240 maxout4 dropout0.5", "fc1"]),
        # From 0.1, by a factor of 1.00004 a step: 1.00004^-30000 is 0.30.
        "schedules.rate": {"schedule": "linear", "initial": 0.1, "final": 0.03, "start": 0, "end": 30000},
        **optimizers({"name": "sgd", "lr": "rate", "momentum": 0.5}),
        **trained(30000, 100),
    },
    "infogan": {  # 4.5
        **DIGITS,
        **bce(),
        **uniform(62),
        **under("latents.digit", latent="categorical", classes=10, one_hot=True),
        **uniform(2, name="style"),
        **FRESH,
        **layers(T=["c64k4s2 leaky0.1", "c128k4s2 batch leaky0.1", "fc1024 batch leaky0.1"]),
        **layers(
            Q=["fc128 batch leaky0.1"], G=["fc1024 batch relu", "fc128x7x7 batch relu", "t64k4s2 batch relu", "t*k4s2"]
        ),
        **under("losses.category", loss="mutual_information", code="categorical", weight=1),
        **under("losses.styles", loss="mutual_information", code="continuous", std=1, weight=1),
        **optimizers(adam(1e-3, 0.5, 0.999), adam(2e-4, 0.5, 0.999)),
        **trained(5000, 128),
    },
    "acgan": {  # 4.6: D's widths, kernels, strides and dropout, G's of CIFAR-10; rates between 1e-4 and 3e-4
        **DIGITS,
        **bce(),
        **normal(110),
        **FRESH,
        **layers(
            G=["fc384x7x7 batch relu", "t192k5s2 batch relu", "t*k5s2"],
            T=[
                "c16k3s2 leaky dropout0.5",
                *(f"c{maps} batch leaky dropout0.5" for maps in ("32k3", "64k3s2", "128k3", "256k3s2", "512k3")),
            ],
        ),
        **under("losses.class_real", "losses.class_fake", loss="cross_entropy", weight=1),
        **RADFORD,
        **trained(50000, 100),
    },
    "acgan_extra_class": {  # 1.1: label vectors of 100 numbers times the noise, K + 1 classes; else Keras-GAN's script
        **DIGITS,
        **bce(),
        **normal(100),
        **FRESH,
        **layers(
            G=["fc128x7x7 relu batch up2", "c128 relu batch up2", "c64 relu batch", "c*"],
            T=[
                "c16k3s2 leaky dropout0.25",
                *(f"c{maps} leaky dropout0.25 batch" for maps in ("32k3s2", "64k3s2")),
                "c128k3 leaky dropout0.25",
            ],
        ),
        **under("losses.class_real", "losses.class_made", "losses.class_wanted", loss="cross_entropy", weight=1),
        **RADFORD,
        **trained(14000, 32),
    },
    "cogan_negative": {**COGAN, **COGAN_CONVOLUTIONS, "data.transform": "negative"},
    "cogan_edge": {**COGAN, **COGAN_CONVOLUTIONS, "data.transform": "edge"},
    "cogan_rotation": {  # 4.15: dense tails
        **COGAN,
        "data.transform": "rotation",
        **layers(trunk=[*(f"fc{size} batch leaky" for size in (256, 512, 1024)), "fc16"], D=["fc256 leaky", "fc1"]),
        **under("losses.steady_a", "losses.steady_b", loss="r1", weight=1),
        **{f"networks.{name}.layers": ["fc512 leaky dropout0.4"] for name in ("D_a", "D_b")},
    },
    "cogan_depth": {**COGAN, **RADFORD, **trained(25000, 64), "data.image_size": 64},  # a DCGAN, with its rates
    "wgan": {  # 4.8
        **DIGITS,
        **layers(
            G=["fc128x7x7 batch relu", "t64k4s2 batch relu", "t*k4s2"],
            D=["c64k4s2 leaky", "c128k4s2 batch leaky", "fc1"],
        ),
        **normal(100),
        **FRESH,
        **under("losses.adversarial", loss="wasserstein", weight=1),
        **under("turns.discriminators.steps", schedule="bursts", value=5, burst=100, first=25, every=500),
        **optimizers(AUTHORS_RMSPROP, CLIPPED),
        **trained(20000, 64),
    },
    "wgan_gp": {  # 4.9
        **DIGITS,
        **normal(128),
        **FRESH,
        "flow.between": "mix(image, fake)",
        **layers(
            G=["fc256x4x4 relu", "t128k5s2p2 relu", "t64k5s2 relu", "t*k5s2"],
            D=["c64k5s2 leaky", "c128k5s2 leaky", "c256k5s2 leaky", "fc1"],
        ),
        **under("losses.adversarial", loss="wasserstein", weight=1),
        **under("losses.penalty", loss="gradient_penalty", weight=10, target=1, one_sided=False),
        "turns.discriminators.steps": 5,
        **optimizers(adam(1e-4, 0.5, 0.9)),
        **trained(200000, 50),
    },
    "progan": {  # 4.19
        "flow.between": "mix(real, fake)",
        **GROWING,
        **HYPERSPHERE,
        "networks.D.group": None,  # the deviation over the whole batch
        **under("losses.adversarial", loss="wasserstein", weight=1),
        **under("losses.penalty", loss="gradient_penalty", weight=10, target=1, one_sided=False),
        **under("losses.drift", loss="drift", of="D(real, growth)", weight=0.001),
        **under("turns", **{"discriminators.steps": 1, "generators.steps": 1}),
        **optimizers(adam(1e-3, 0, 0.99, eps=1e-8)),
        "training.reset_optimizers": True,
        "training.batch_size": 128,
        "phases.2.training.batch_size": 64,
        "phases.3.training.batch_size": 32,
    },
    "msg_gan": {  # 4.20, and the authors' code
        **GROWING,
        **HYPERSPHERE,
        "networks.G.scales": "all",
        **under("losses.adversarial", loss="relativistic", form="hinge", weight=1),
        **optimizers(adam(3e-3, 0, 0.99, eps=1e-8)),
        **trained(100000, 32),
    },
    "stylegan": {  # 4.21
        **GROWING,
        **normal(512),
        **normal(512, name="z2"),
        "latents.psi.value": 0.7,
        "networks.M.layers": ["flat pixelnorm", *["fc512 leaky"] * 8],
        **under("networks.M.weights", parametrization="equalised", lr_multiplier=0.01),
        "networks.G.mixing": 0.9,
        **under("networks.D", group=4, blur=True),
        **bce(),
        **under("losses.penalty", loss="r1", weight=10),
        **optimizers(adam(1e-3, 0, 0.99, eps=1e-8)),
        "training.batch_size": 32,
    },
    "vae": {  # 4.11: 784-500-z, a code of 50
        **IN_NATS,
        **normal(50),
        "networks.E.layers.0": "fc500 tanh",
        "networks.G.layers": ["fc500 tanh", "fc*"],
        "training.optimizers.generators": {"name": "adam", "lr": 1e-3},  # in place of Adagrad (header)
        **trained(54000, 100),
    },
    "draw": {  # 4.10; clipped at norm 5 as in the small public form
        **IN_NATS,
        **normal(64 * 100),
        **under("networks.G", glimpses=64, hidden=256, read=2, write=5),
        "training.optimizers.generators": adam(1e-3, 0.5, 0.999, clip_norm=5),
        **trained(200000, 128),
    },
    "aae": {  # 4.12
        **DIGITS,
        **normal(8, std=5),
        **layers(**{name: ["fc1000 relu", "fc1000 relu", "fc*"] for name in "EG"}),
        **layers(D=["fc1000 relu", "fc1000 relu", "fc1"]),
        **bce(),
        **under("losses.reconstruction", weight=1),  # 6.1: not 0.999 and 0.001 of one loss
        "schedules.fall": {"schedule": "linear", "initial": 1e-3, "final": 0, "start": 27000, "end": 54000},
        "training.optimizers.reconstruction": {"name": "adam", "lr": "fall"},  # in place of SGD (header)
        **under("training.optimizers", discriminator=adam(2e-4, 0.5, 0.999), encoder=adam(2e-4, 0.5, 0.999)),
        **trained(54000, 100),
    },
}
SETTINGS: Final = {**PAIRED, **UNPAIRED, **GENERATIVE}


def at(document: Any, path: str) -> Any:
    """The value that a path leads to, or a word that no setting has."""
    for key in path.split("."):
        try:
            document = document[int(key)] if isinstance(document, list) else document[key]
        except (KeyError, IndexError):
            return "nothing"
    return document


def test_every_shipped_pipeline_has_its_numbers_here():
    assert set(SETTINGS) == set(default_manager().catalogue.pipelines)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_are_those_of_the_paper(name):
    resolved = load_pipeline(name, complete=False).resolved
    assert {path: at(resolved, path) for path in SETTINGS[name]} == SETTINGS[name]
