"""Checks of the models that learn from pairs: D1, D2 (pix2pix), D3 (pix2pixHD), D4 (context encoder)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness import FULL, Bound, Check, Run, Values, measured, trained

SIDE: Final = 256 if FULL else 64
WIDTH: Final = 64 if FULL else 16
STEPS: Final = 80_000 if FULL else 6000


def pictures(run: Run, steps: int) -> list[str]:
    """CMP facades, labels to photographs, with the jitter of the paper."""
    return [
        f"data.root={run.data / 'facades'}",
        "data.direction=b_to_a",
        "data.labels=[source]",
        f"data.image_size={SIDE}",
        f"data.transforms=[{{Resize: {SIDE * 9 // 8}}}, {{RandomCrop: {SIDE}}}, HorizontalFlip]",
        f"training.steps={steps}",
    ]


# -- D1: the shape of pix2pix -----------------------------------------------------------------------------------------


def shape(run: Run) -> Values:
    """Build the full-size pix2pix and measure what the paper says of it."""
    import torch

    from translate.pipeline import load_pipeline
    from translate.pipeline.building import build
    from translate.pipeline.inference_form import inference_networks
    from translate.specs import Image

    settings = ["data.root=unused", f"training.seed={run.seed}", *run.changes]
    pipeline = load_pipeline("pix2pix", settings)
    picture = Image(3, 256, 256)
    game = build(pipeline, {"source": picture, "target": picture})
    with torch.no_grad():
        judge = game.networks["D"].double().eval()
        x = torch.zeros(1, 3, 256, 256, dtype=torch.float64)
        before = judge(x, x)
        x[:, :, 128, 128] = 1.0
        seen = (judge(x, x) - before).abs()[0, 0] > 0
        side = before.shape[-1]
        # A pixel changes as many cells of a row as patches of this side, one every 8 pixels, can hold it.
        moved = torch.zeros(1, 3, 256, 256, dtype=torch.float64).requires_grad_()
    with torch.enable_grad():
        judge(moved, moved)[0, 0, side // 2, side // 2].backward()
    field = int((moved.grad.abs().sum((0, 1)) > 0).any(0).sum())
    networks = {
        mode: inference_networks(game.networks, pipeline.inference.model_copy(update={"dropout": mode}))
        for mode in ("on", "off")
    }
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(run.seed)) * 2 - 1
    on, off = (networks[mode]["G"].float()(image) for mode in ("on", "off"))
    inner = []
    encoder = game.networks["G"].encoder
    hook = encoder[-1].register_forward_hook(lambda *found: inner.append(found[-1].shape[-1]))
    game.networks["G"].eval()(image)
    hook.remove()
    return {
        "output side": side,
        "cells that see a pixel": float(seen.sum()),
        "receptive field": field,
        "bottleneck side": inner[0],
        "dropout at test time": float((on - off).abs().max() > 0),
        "L1 weight": float(pipeline.resolved["losses"]["reconstruction"]["weight"]),
    }


SHAPE: Final = [
    Check(
        name="D1_shape",
        claim="The full-size pix2pix has the discriminator, bottleneck, test-time dropout and weight of the paper.",
        needs=[],
        measure=shape,
        bounds=[
            Bound(value="output side", least=30, most=30),
            Bound(value="receptive field", least=70, most=70),
            Bound(value="bottleneck side", least=1, most=1),
            Bound(value="dropout at test time", least=1),
            Bound(value="L1 weight", least=100, most=100),
        ],
        controls={
            "four halvings": (
                (
                    "networks.D={discriminator: stack, layers: [c64k4s2 leaky, c128k4s2 batch leaky, "
                    "c256k4s2 batch leaky, c512k4s2 batch leaky, c1k4p1]}"
                ),
            )
        },
        note="The control is the discriminator of a widely copied script: 94 pixels.",
    )
]

# -- D2: pix2pix and its ablations ------------------------------------------------------------------------------------


def ablation(run: Run) -> Values:
    """Train pix2pix and its three ablations, and compare them on the held-out pictures."""
    small = [] if FULL else ["networks.D.receptive_field=16", f"networks.D.width={WIDTH}"]
    diversity = "evaluation.metrics.diversity={metric: diversity, of: fake, to: target}"
    settings = [*pictures(run, STEPS), f"networks.G.width={WIDTH}", diversity]
    found, total = {}, 0.0
    for name in ("pix2pix", "pix2pix_l1", "pix2pix_gan", "pix2pix_encoder_decoder"):
        folder, seconds = trained(name, [*settings, *([] if name == "pix2pix_l1" else small)], run, name=name)
        found[name], total = measured(folder), total + seconds
    own, l1, gan, cut = (found[name] for name in found)
    return {
        "L1 / retrieval": own["ratio.l1"],
        "gradient length": own["gradient_length"],
        "gradient length, L1 alone": l1["gradient_length"],
        "histogram gain a": own["histogram.a"] - l1["histogram.a"],
        "histogram gain b": own["histogram.b"] - l1["histogram.b"],
        "variance, no condition": gan["diversity"],
        "L1, skips cut - U-Net": cut["l1"] - own["l1"],
        "gradient energy": own["gradient_energy"],
        "training": total,
    }


PIX2PIX: Final = [
    Check(
        name="D2_facades",
        claim=(
            "pix2pix's ablations: the adversarial term sharpens and colours what L1 alone blurs, without the condition "
            "the output ignores its input, and without skips it is farther from the truth."
        ),
        needs=["facades"],
        measure=ablation,
        bounds=[
            Bound(value="L1 / retrieval", most=0.8),
            Bound(value="gradient length", least=0.8, most=1.2),
            Bound(value="gradient length, L1 alone", most=0.7),
            Bound(value="histogram gain a", least=0.03),
            Bound(value="histogram gain b", least=0.03),
            Bound(value="variance, no condition", most=0.3),
            Bound(value="L1, skips cut - U-Net", least=0.0),
        ],
        controls={"labels shuffled": ("flow.fake=G(shuffle(source))", "training.batch_size=4")},
        note=(
            "Gradients are judged by their mean length and their mean square is shown beside it: a few strong edges of "
            "a photograph decide the square."
        ),
    )
]

# -- D3: pix2pixHD ----------------------------------------------------------------------------------------------------


def coarse_to_fine(run: Run) -> Values:
    """Train a small pix2pixHD through its three phases, with and without feature matching."""
    steps = 60_000 if FULL else 3000
    width = 32 if FULL else 8
    settings = [
        *pictures(run, steps),
        f"networks.global_encoder.width={2 * width}",
        f"networks.local_encoder.width={width}",
        *([] if FULL else ["networks.global_encoder.halvings=2", "networks.global_decoder.halvings=2"]),
        *([] if FULL else ["networks.global_encoder.blocks=3", "networks.D.scales=2", "networks.D.width=16"]),
        *([] if FULL else ["networks.D.receptive_field=16"]),
        f"phases.0.start={steps // 3}",
        f"phases.1.start={2 * steps // 3}",
        "evaluation.metrics.edges={metric: l1, of: 'edges(fake)', to: 'edges(target)'}",
        "training.batch_size=4",
    ]
    matched, seconds = trained("pix2pix_hd", settings, run, name="matched")
    plain, more = trained("pix2pix_hd", [*settings, "losses.features=null"], run, name="plain")
    own, without = measured(matched), measured(plain)
    return {
        "L1": own["l1"],
        "L1, GAN alone": without["l1"],
        "gain in L1": without["l1"] - own["l1"],
        "gain in edges": without["edges"] - own["edges"],
        "training": seconds + more,
    }


PIX2PIX_HD: Final = [
    Check(
        name="D3_facades",
        claim="In pix2pixHD feature matching brings the output closer to the truth than the adversarial loss alone.",
        needs=["facades"],
        measure=coarse_to_fine,
        bounds=[Bound(value="gain in L1", least=0.0)],
        note="The comparison is its own control: the same three phases without the feature matching term.",
    )
]

# -- D4: context encoder ----------------------------------------------------------------------------------------------

G: Final = (
    "[c64k4s2 leaky, c128k4s2 batch leaky, c256k3s2 batch leaky, c500k4v batch leaky, t128k7v batch relu, t*k4s2]"
)
D: Final = "[c64k4s2 leaky, c128k3s2 batch leaky, c1k4v]"


def inpainting(run: Run) -> Values:
    """Fill the middle of digits, with and without the adversarial term."""
    settings = [
        f"data.root={run.data / 'mnist'}",
        "data.hole=14",
        "data.overlap=2",
        "data.image_size=28",
        "data.transforms=[]",
        f"networks.G.layers={G}",
        f"networks.D.layers={D}",
        "losses.reconstruction.weights='border(hole, width=2, weight=10)'",
        "losses.reconstruction.weight=5.4",  # the mean of those weights
        *(
            f"evaluation.metrics.{name}.{side}='crop({value}, border=2)'"
            for name in ("psnr", "l1", "gradient_length")
            for side, value in (("of", "filled"), ("to", "hole"))
        ),
        "losses.fool.weight=0.05",
        f"training.steps={20_000 if FULL else 1500}",
        "training.batch_size=64",
        "evaluation.count=2000",
        *([] if FULL else ["networks.G.scale=0.25", "networks.D.scale=0.5"]),
    ]
    joint, seconds = trained("context_encoder", settings, run, name="joint")
    alone = [*settings, "losses.fool.weight=0"]
    plain, more = trained("context_encoder", alone, run, name="l2")
    own, without = measured(joint), measured(plain)
    return {
        "PSNR": own["psnr"],
        "PSNR of retrieval": own["retrieval.psnr"],
        "gain over retrieval": own["psnr"] - own["retrieval.psnr"],
        "gradient length": own["gradient_length"],
        "gradient length, L2 alone": without["gradient_length"],
        "sharper by": own["gradient_length"] - without["gradient_length"],
        "training": seconds + more,
    }


CONTEXT: Final = [
    Check(
        name="D4_digits",
        claim="A context encoder fills a hole better than the nearest neighbour does, the adversarial term sharper.",
        needs=["mnist"],
        measure=inpainting,
        bounds=[Bound(value="gain over retrieval", least=2.0), Bound(value="sharper by", least=0.0)],
        controls={"no context": ("flow.filled=G(mask)",)},
        note=(
            "14 x 14 holes in MNIST, judged without the overlap of 2 pixels; the adversarial weight is 0.01 of the "
            "reconstruction's in place of 0.001, for a short training."
        ),
    )
]

PAIRED: Final[Sequence[Check]] = [*SHAPE, *PIX2PIX, *PIX2PIX_HD, *CONTEXT]
