"""Checks of unconditional GANs on digits: B0 (the judge itself), B1 (DCGAN, perceptrons), B2, B6, B7, B11.

All Frechet distances are those of the metric `classifier`, a small judge that is trained on the spot; B0 shows what it
gives for real, blurred and noisy digits, which is what the others are to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness import FULL, Bound, Check, Run, Values, measured, trained

if TYPE_CHECKING:
    from torch import Tensor

DIGITS: Final = "mnist"
COUNT: Final = 10_000 if FULL else 5000  # generated digits that are judged, and as many real ones
MANY: Final = 26_000  # stacks that the papers look at


def device() -> str:
    """Where what a check computes by itself is computed."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def steps(small: int, full: int) -> str:
    """The setting for so many steps, by size."""
    return f"training.steps={full if FULL else small}"


def judged(folder: Path, seconds: float) -> dict[str, float]:
    """What the judge says of a run's digits."""
    values = measured(folder, count=COUNT)
    return {
        "FD": values["judge.frechet"],
        "classes": values["judge.classes"],
        "confidence": values["judge.confidence"],
        "judge's accuracy": values["judge.accuracy"],
        "training": seconds,
    }


# -- B0: the judge ----------------------------------------------------------------------------------------------------


def judge(run: Run) -> Values:
    """Train the judge on all digits, and measure its accuracy and its distances of real and damaged ones."""
    import torch
    from torch.nn.functional import avg_pool2d

    from translate_datasets.idx_files import IMAGES, LABELS, find_idx, read_idx
    from translate_plugins.metrics.classifier import Classifier

    def digits(part: str) -> tuple[Tensor, Tensor]:
        files = [find_idx(run.data / DIGITS, part, content) for content in ("images", "labels")]
        assert files[0] is not None
        assert files[1] is not None
        images = torch.tensor(read_idx(files[0], IMAGES))[:, None].float() / 255
        return images.to(device()), torch.tensor(read_idx(files[1], LABELS)).long()

    (examples, labels), (real, real_labels) = digits("train"), digits("t10k")
    metric = Classifier(seed=run.seed)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(run.seed))
    metric.fit(examples, labels[order] if "labels shuffled" in run.changes else labels)
    metric.fitted()

    def distance(of: Tensor) -> dict[str, Any]:
        metric._of.clear()
        metric._to.clear()
        metric._seen.clear()
        metric._probabilities.clear()
        for values in metric._found.values():
            values.clear()
        for mine, other, label in zip(of.split(1000), real.split(1000), real_labels.split(1000), strict=False):
            metric.update(mine, other, to_label=label)
        return dict(metric.compute())

    generator = torch.Generator().manual_seed(run.seed)
    noise = torch.randn(real.shape, generator=generator).to(real.device)
    same = distance(examples[order[:10_000]])
    return {
        "accuracy": float(same["accuracy"].mean()),
        "FD of real": same["frechet"][0],
        "score of real": same["score"],
        "FD with noise 0.1": distance((real + 0.1 * noise).clamp(0, 1))["frechet"][0],
        "FD of blurred": distance(avg_pool2d(real, 3, 1, 1))["frechet"][0],
        "FD of noise": distance(torch.rand(real.shape, generator=generator).to(real.device))["frechet"][0],
    }


# -- B1 and B2: the digits of DCGAN, perceptrons and LSGAN ------------------------------------------------------------


ALONE: Final = ["evaluation.metrics.diversity=null", "evaluation.metrics.fid=null"]
"""DCGAN's own metrics; they look at held-out pictures, of which there are fewer than the stacks that are counted."""
JUDGE: Final = (
    "evaluation.metrics.judge={metric: classifier, of: fake, to: image, to_label: label, examples: image, "
    "labels: label}"
)


def dcgan(run: Run) -> list[str]:
    """DCGAN in the form that the lecture notes have for MNIST, with the settings of the paper."""
    return [
        f"data={{dataset: idx, root: {run.data / DIGITS}, image_size: 28}}",
        "networks.G.layers=[fc128x7x7 batch, t64k5s2 relu batch, t*k5s2]",
        "networks.D.layers=[c64k5s2 leaky dropout0.4, c128k5s2 leaky dropout0.4, fc1]",
        *ALONE,
        JUDGE,
        "training.batch_size=64",
        steps(3000, 20_000),
    ]


def convolutions(run: Run) -> Values:
    """Train DCGAN on digits."""
    return judged(*trained("dcgan", dcgan(run), run))


RATE: Final = ["lr=2.0e-4", "betas=[0.5, 0.999]"]


def perceptrons(run: Run) -> Values:
    """Train the perceptrons with DCGAN's rates, a discriminator without dead units, and batch norm in the generator."""
    faster = [f"training.optimizers.{side}.{key}" for side in ("generators", "discriminators") for key in RATE]
    layers = [
        "networks.G.layers=[fc256 batch leaky, fc512 batch leaky, fc1024 batch leaky, fc*]",
        "networks.D.layers=[fc256 leaky, fc128 leaky, fc1]",
    ]
    own = [*layers, *faster, steps(6000, 100_000)]
    return judged(*trained("gan", [f"data.root={run.data / DIGITS}", *own], run))


UNTAUGHT: Final = {
    "G not trained": ("training.optimizers.generators.lr=0",),
    "D not trained": ("training.optimizers.discriminators.lr=0",),
}


def least_squares(a: int, b: int, c: int) -> Callable[[Run], Values]:
    """Train the networks of B1 with labels a, b, c, beside B1 of the same seed."""

    def measure(run: Run) -> Values:
        labels = f"losses.adversarial={{loss: lsgan, a: {a}, b: {b}, c: {c}, real: D(image), fake: D(fake)}}"
        folder, seconds = trained("dcgan", [*dcgan(run), labels], run)
        other, more = trained("dcgan", dcgan(run), replace(run, changes=()), name="B1")
        beside = judged(other, more)["FD"]
        values = judged(folder, seconds + more)
        return {**values, "FD of B1": beside, "ratio to B1": values["FD"] / beside}

    return measure


# -- B6 and B7: Wasserstein critics -----------------------------------------------------------------------------------


def held_out(run: Run, folder: Path, look: Callable[[Any, Tensor, Tensor], float]) -> float:
    """What `look` says of a checkpoint's critic, 2,000 held-out digits and as many generated ones.

    The networks are as in training: batch norm takes the statistics of the batch.
    """
    import torch

    from translate.pipeline.opening import open_stream
    from translate.training.opening import open_trained

    opened = open_trained(folder)
    networks = {name: network.to(device()).train() for name, network in opened.game.networks.items()}
    stream = open_stream(opened.pipeline, "test", batch_size=100)
    generator = torch.Generator().manual_seed(run.seed)
    found = []
    for first in range(0, 2000, 100):
        real = stream.examples(range(first, first + 100))["image"].to(device())
        latent = opened.game.latents["z"].sample(100, generator=generator, device=torch.device("cpu")).to(device())
        with torch.no_grad():
            fake = networks["G"](latent)
        found.append(look(networks["D"], real, fake))
    return sum(found) / len(found)


def estimate(critic: Any, real: Tensor, fake: Tensor) -> float:
    """The critic's estimate of the distance."""
    import torch

    with torch.no_grad():
        return float(critic(real).mean() - critic(fake).mean())


def slope(critic: Any, real: Tensor, fake: Tensor) -> float:
    """Mean norm of the critic's gradient at points between real and fake."""
    import torch

    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    points = (share * real + (1 - share) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(points).sum(), points)
    return float(gradient.flatten(1).norm(dim=1).mean())


EVERY: Final = 1000 if FULL else 100


def clipped(run: Run) -> Values:
    """Train WGAN and follow its estimate on held-out digits from checkpoint to checkpoint."""
    import torch

    from translate.training.opening import open_trained

    kept = (f"training.checkpoint_every={EVERY}", "training.keep_checkpoints=1000", *run.changes)
    settings = [f"data.root={run.data / DIGITS}", steps(2300, 20_000)]
    folder, seconds = trained("wgan", settings, replace(run, changes=kept))
    checkpoints = sorted(path for path in (folder / "checkpoints").iterdir() if path.name.isdigit())
    curve = [held_out(run, path, estimate) for path in checkpoints]
    last = sum(curve[-3:]) / len(curve[-3:])
    critic = open_trained(folder).game.networks["D"]
    largest = torch.stack([parameter.detach().abs().max() for parameter in critic.parameters()]).max()
    return {
        **judged(folder, seconds),
        "estimate": last,
        "peak": max(curve),
        "share of peak": last / max(curve),
        "largest weight": float(largest),
    }


def penalised(run: Run) -> Values:
    """Train WGAN-GP and measure the slope of its critic between held-out and generated digits."""
    settings = [f"data.root={run.data / DIGITS}", steps(2000, 20_000)]
    folder, seconds = trained("wgan_gp", settings, run)
    return {**judged(folder, seconds), "slope": held_out(run, folder, slope)}


# -- B11: stacked digits ----------------------------------------------------------------------------------------------


def stacks(run: Run, generator: str, critic: str, small: int) -> list[str]:
    """DCGAN on stacked digits."""
    return [
        f"data={{dataset: stacked_digits, root: {run.data / DIGITS}, image_size: 28}}",
        f"networks.G.layers={generator}",
        f"networks.D.layers={critic}",
        *ALONE,
        "evaluation.metrics.modes={metric: stacked_modes, of: fake, examples: image, labels: label}",
        "training.batch_size=64",
        steps(small, 50_000),
    ]


LARGE_G: Final = "[fc512x2x2 batch relu, t256k5s2 batch relu, t128k5s2p2 batch relu, t64k5s2 batch relu, t*k5s2]"
LARGE_D: Final = "[c64k5s2 leaky, c128k5s2 batch leaky, c256k5s2 batch leaky, c512k5s2 batch leaky, fc1]"
WIDE: Final = "1.0" if FULL else "0.25"

SMALL_G: Final = "[fc64x4x4 batch relu, t32k3s2p1 batch relu, t16k4s2 batch relu, t8k4s2 batch relu, c*]"
SMALL_D: Final = "[c2s2 leaky0.3, c4s2 batch leaky0.3, c8s2 batch leaky0.3, fc1]"  # a quarter of 8, 16, 32


def counted(folder: Path) -> dict[str, float]:
    """Captured classes and KL of 26,000 stacks."""
    values = measured(folder, count=MANY)
    return {name: values[f"modes.{name}"] for name in ("captured", "kl", "confidence")}


def large(run: Run) -> Values:
    """Train DCGAN on stacked digits."""
    widths = [f"networks.{name}.scale={WIDE}" for name in "GD"]
    folder, seconds = trained("dcgan", [*stacks(run, LARGE_G, LARGE_D, 6000), *widths], run)
    return {**counted(folder), "training": seconds}


def packed(real: str, fake: str) -> str:
    """The loss with a discriminator that sees several samples at once."""
    return f'losses.adversarial={{loss: bce, halve: false, real: "D({real})", fake: "D({fake})"}}'


def small(run: Run) -> Values:
    """Train a small discriminator alone and packed, with the same generator, and count what each captures."""
    settings = stacks(run, SMALL_G, SMALL_D, 8000)
    plain, seconds = trained("dcgan", settings, replace(run, changes=()), name="plain")
    pack = packed("pack(image, count=4)", "pack(fake, count=4)")
    folder, more = trained("dcgan", [*settings, "training.batch_size=128", pack], run)
    alone, together = counted(plain), counted(folder)
    return {
        "captured": together["captured"],
        "alone": alone["captured"],
        "ratio": together["captured"] / max(1.0, alone["captured"]),
        "kl": together["kl"],
        "kl alone": alone["kl"],
        "training": seconds + more,
    }


REAL: Final = "concat(concat(concat(image, image), image), image)"
SAME: Final = packed(REAL, REAL.replace("image", "fake"))

DISTANCES: Final = [Bound(value="FD", most=60), Bound(value="classes", least=10)]

GENERATIVE: Final[Sequence[Check]] = [
    Check(
        name="B0_judge",
        claim="The judge of digits knows them, and its distance is small between real ones and large for bad ones.",
        needs=[DIGITS],
        measure=judge,
        bounds=[
            Bound(value="accuracy", least=0.98),
            Bound(value="FD of real", most=3),
            Bound(value="FD of blurred", least=30),
        ],
        controls={"labels shuffled": ("labels shuffled",)},
    ),
    Check(
        name="B1_dcgan",
        claim="DCGAN draws digits of all classes.",
        needs=[DIGITS],
        measure=convolutions,
        bounds=DISTANCES,
        controls=UNTAUGHT,
        note="Networks of the lecture notes (dropout in D, batch norm in G), rates and batches as in the paper.",
    ),
    Check(
        name="B1_perceptrons",
        claim="Two perceptrons draw digits of all classes.",
        needs=[DIGITS],
        measure=perceptrons,
        bounds=[Bound(value="FD", most=300), Bound(value="classes", least=9)],
        controls=UNTAUGHT,
        note=(
            "LeakyReLU in D and Adam 2e-4 (0.5) for a short training: with the settings of the source, ReLU and 1e-4, "
            "1,000 epochs are meant. Batch norm in G, as in the code that the sources link to: without it FD is 418 "
            "after 6,000 steps and 591 after 15,000, with 7 and 5 classes (seed 0). No bound is published: 300 is "
            "where a generator counts as collapsed."
        ),
    ),
    *(
        Check(
            name=name,
            claim=f"LSGAN with (a, b, c) = ({a}, {b}, {c}) draws digits as well as DCGAN does.",
            needs=[DIGITS],
            measure=least_squares(a, b, c),
            bounds=[Bound(value="ratio to B1", most=1.5), Bound(value="classes", least=10)],
            controls=controls,
            note="The networks of B1, trained beside it from the same seed with the loss of B1.",
        )
        for name, (a, b, c), controls in (
            ("B2_ones", (0, 1, 1), {"G wants what fakes are": ("losses.adversarial.c=0",)}),
            ("B2_pearson", (-1, 1, 0), {"the fakes' label of cross-entropy": ("losses.adversarial.a=0",)}),
        )
    ),
    Check(
        name="B6_wgan",
        claim="WGAN's estimate of the distance, on held-out digits, falls as its digits get better.",
        needs=[DIGITS],
        measure=clipped,
        bounds=[
            Bound(value="share of peak", least=0, most=0.5),
            Bound(value="largest weight", most=0.010001),
            Bound(value="FD", most=150),
        ],
        controls={"no clipping": ("training.optimizers.discriminators.clip_weights=1.0e6",)},
    ),
    Check(
        name="B7_wgan_gp",
        claim="WGAN-GP draws digits of all classes, and its critic's slope between data and fakes is near 1.",
        needs=[DIGITS],
        measure=penalised,
        bounds=[*DISTANCES, Bound(value="slope", least=0.8, most=1.2)],
        controls={"next to no penalty": ("losses.penalty.weight=1.0e-6",)},
    ),
    Check(
        name="B11_large",
        claim="DCGAN captures nearly all of 1,000 classes of stacked digits.",
        needs=[DIGITS],
        measure=large,
        bounds=[Bound(value="captured", least=900)],
        controls={"D not trained": UNTAUGHT["D not trained"]},
    ),
    Check(
        name="B11_packed",
        claim="A discriminator of a quarter of its size that sees four stacks at once captures three times as many.",
        needs=[DIGITS],
        measure=small,
        bounds=[Bound(value="ratio", least=3)],
        controls={"the same stack four times": (SAME,)},
        note="PacGAN's figures: 30.6 to 78.5 of 1,000 alone, 667.4 with four at once.",
    ),
]
