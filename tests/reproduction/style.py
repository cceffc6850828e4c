"""C7: StyleGAN on MNIST at 32 pixels. What the coarse styles decide, what noise does not, and what truncation costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness import FULL, Bound, Check, Run, Values, measured, trained

if TYPE_CHECKING:
    from torch import Tensor

DIGITS: Final = "mnist"
COARSE: Final = 4  # layers at 4x4 and 8x8
SWEEP: Final = (1.0, 0.75, 0.5, 0.25, 0.0)
EXAMPLES: Final = 2000

METRICS: Final = (
    "{metric: classifier, of: fake, to: image, to_label: label, examples: image, labels: label}",
    f'{{metric: classifier, of: "G(w, w2, cut={COARSE})", partner: G(w), examples: image, labels: label}}',
    f'{{metric: classifier, of: "G(w, w2, cut={COARSE})", partner: G(w2), examples: image, labels: label}}',
    '{metric: classifier, of: "G(w, noise=1)", partner: G(w), examples: image, labels: label}',
)
NAMES: Final = ("judge", "coarse", "fine", "noise")

# base of the feature maps, factor of the mapping network, length of the latents, steps, batch
SIZE: Final = (1024, 1.0, 512, 10_000, 32) if FULL else (256, 0.25, 64, 1500, 16)
# The paper's 10 is for a million pixels; with it the first steps at a thousand moved little.
GAMMA: Final = 0.5
SHORT: Final = (  # for a training of 1,500 steps
    "training.optimizers.generators.lr=2.0e-3",
    "training.optimizers.discriminators.lr=2.0e-3",
    "training.ema.decay=0.99",
)


def settings(run: Run) -> list[str]:
    """MNIST in the place of a folder, networks of the size, and all metrics on codes that are not truncated."""
    base, scale, latent, steps, batch = SIZE
    mapping = ["flat pixelnorm", *["fc512 leaky"] * 7, f"fc{round(512 * scale)} leaky"]  # the last one is not scaled
    return [
        "data.dataset=idx",
        f"data.root={run.data / DIGITS}",
        "data.image_size=32",
        "data.transforms=[]",
        *(f"latents.{name}.size={latent}" for name in ("z", "z2")),
        "latents.psi.value=1.0",
        f"networks.M.scale={scale}",
        f"networks.M.layers=[{', '.join(mapping)}]",
        *(f"networks.{name}.base={base}" for name in ("G", "D")),
        f"training.steps={steps}",
        f"training.batch_size={batch}",
        f"losses.penalty.weight={GAMMA}",
        *(() if FULL else SHORT),
        "evaluation.metrics=null",
        *(f"evaluation.metrics.{name}={metric}" for name, metric in zip(NAMES, METRICS, strict=True)),
    ]


def stylegan(run: Run) -> Values:
    """Train, judge 2,000 pictures and their mixes, and look at what they are at each psi."""
    folder, seconds = trained("stylegan", settings(run), run)
    values = measured(folder, count=EXAMPLES)
    swept = sweep(folder)
    entropies, spreads = ([found[key] for found in swept.values()] for key in ("entropy", "spread"))
    return {
        "FD": values["judge.frechet"],
        "classes": values["judge.classes"],
        "class follows coarse": values["coarse.agreement"],
        "class follows fine": values["fine.agreement"],
        "class under new noise": values["noise.agreement"],
        "entropy falls by": least_fall(entropies),
        "spread falls by": least_fall(spreads),
        **{f"entropy at {psi:g}": found["entropy"] for psi, found in swept.items()},
        **{f"spread at {psi:g}": found["spread"] for psi, found in swept.items()},
        "training": seconds,
    }


def least_fall(values: Sequence[float]) -> float:
    """The smallest step down from a value to the next; negative where one of them goes up."""
    return min(before - after for before, after in pairwise(values))


def sweep(folder: Path) -> Mapping[float, Mapping[str, float]]:
    """For each psi, of pictures of the same latents: the entropy of their classes in nats, and their spread.

    Both as the small classifier of the metrics sees them; the spread is the mean squared distance of its features from
    their mean.
    """
    import torch

    from translate.evaluation.model import Model
    from translate.pipeline.expressions import Name
    from translate.pipeline.opening import open_stream
    from translate.training.opening import open_trained
    from translate_plugins.metrics.classifier_network import train_classifier

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    opened = open_trained(folder)
    stream = open_stream(opened.pipeline, "train", batch_size=64, train=False)
    model = Model(opened, opened.pipeline, device)
    batches = [stream.examples(part) for part in parts(min(len(stream), 20_000))]
    images, labels = (torch.cat([batch[name] for batch in batches]) for name in ("image", "label"))
    pixels = (model.to_unit(images) * 255).round().to(torch.uint8)
    judge = train_classifier(pixels, labels, device, epochs=2, batch_size=128, lr=1e-3, seed=0)
    node = model.node(Name("fake"), ("evaluation",))
    found = {}
    for psi in SWEEP:
        given = [{"psi": torch.full((len(part), 1), psi)} for part in parts(EXAMPLES)]
        made: list[Any] = [
            model.compute([node], {}, part, each)[0] for part, each in zip(parts(EXAMPLES), given, strict=True)
        ]
        with torch.no_grad():
            features = torch.cat([judge.features(picture.float()) for picture in made])
            found[psi] = {"entropy": entropy(judge(features).argmax(1)), "spread": spread(features.double())}
    return found


def parts(count: int) -> list[range]:
    """The numbers below `count`, 250 at a time."""
    return [range(first, min(first + 250, count)) for first in range(0, count, 250)]


def entropy(classes: Tensor) -> float:
    """Of the shares of the classes, in nats."""
    shares = classes.bincount().double() / len(classes)
    return -sum(share * math.log(share) for share in shares.tolist() if share > 0)


def spread(features: Tensor) -> float:
    """Mean squared distance from the mean."""
    return float((features - features.mean(0)).square().sum(1).mean())


STYLE: Final = [
    Check(
        name="C7_stylegan",
        claim="StyleGAN's coarse styles decide the digit, its noise does not, and psi trades variety away.",
        needs=[DIGITS],
        measure=stylegan,
        bounds=[
            Bound(value="FD", most=80),
            Bound(value="class follows coarse", least=0.80),
            Bound(value="class follows fine", most=0.50),  # else all pictures are of one class
            Bound(value="class under new noise", least=0.98),
            Bound(value="entropy falls by", least=0.001),
            Bound(value="spread falls by", least=0.001),
        ],
        controls={
            # Without a latent only noise is left to tell the pictures apart.
            "noise alone": (
                f"latents.z={{latent: constant, value: 1.0, size: {SIZE[2]}}}",
                f"latents.z2={{latent: constant, value: 1.0, size: {SIZE[2]}}}",
            ),
            # The coarse layers take the code that the measurement does not ask about.
            "codes exchanged": (
                (
                    f'evaluation.metrics.coarse={{metric: classifier, of: "G(w2, w, cut={COARSE})", partner: G(w), '
                    "examples: image, labels: label}"
                ),
            ),
        },
        note=(
            f"R1 with gamma {GAMMA:g} in place of 10, which is for a million pixels. Coarse are the layers at 4x4 and "
            f"8x8, the first {COARSE} of 8. Pictures are judged at psi 1, and swept over {', '.join(map(str, SWEEP))}; "
            "entropy and spread are of the judge's classes and features."
        ),
    )
]
