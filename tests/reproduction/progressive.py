"""Checks of models that work at several resolutions: C5 (ProGAN) and C6 (MSG-GAN), on MNIST at 32x32.

Frechet distances are those of the small classifier that the metric trains on real digits. What a growing network makes
before its last stage is repeated to 32x32 for it.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness import FULL, Bound, Check, Run, Values, measured, trained

DIGITS: Final = "mnist"
SIDE: Final = 32
BASE, BATCH, LATENTS = (2048, 64, 128) if FULL else (256, 32, 64)
COUNT: Final = 2000  # examples of a Frechet distance


def digits(run: Run) -> list[str]:
    """The settings that put MNIST in the place of a folder, and make the networks small."""
    return [
        "data.dataset=idx",
        f"data.root={run.data / DIGITS}",
        f"data.image_size={SIDE}",
        "data.transforms=[]",
        f"latents.z.size={LATENTS}",
        *(f"networks.{name}.base={BASE}" for name in "GD"),
        *(f"networks.{name}.most=128" for name in "GD"),
        f"training.batch_size={BATCH}",
        "training.log_every=50",
        # Over 0.999's thousand steps the average of a short training would be its first weights.
        *([] if FULL else ["training.ema.decay=0.99"]),
        "evaluation.metrics=null",
    ]


def judge(of: str) -> str:
    """The metric that gives the Frechet distance of what an expression makes."""
    return f'evaluation.metrics.judge={{metric: classifier, of: "{of}", to: image, examples: image, labels: label}}'


# -- C5: ProGAN -------------------------------------------------------------------------------------------------------

SPAN: Final = 3000 if FULL else 300  # steps of each fade, and for which each stage stands; the last for three of them
SWITCH: Final = 5 * SPAN  # where 32x32 begins
NEAR: Final = SPAN // 6  # steps before and after it


def progan(run: Run) -> Values:
    """Train from 4x4 to 32x32; look at the end, around the last change of stage, and at the time of the steps."""
    settings = [
        *digits(run),
        judge("resize(fake, size=32, method='nearest')"),
        f"schedules.growth={{schedule: growth, stages: 4, stable: {SPAN}, fade: {SPAN}}}",
        *(f"phases.{index}={{start: {start * SPAN}}}" for index, start in enumerate((1, 3, 5))),
        "phases.3=null",
        f"training.steps={9 * SPAN}",
    ]
    kept = (f"training.checkpoint_every={NEAR}", "training.keep_checkpoints=1000")
    folder, seconds = trained("progan", settings, replace(run, changes=(*kept, *run.changes)))

    def distance(step: int) -> float:
        found = measured(folder / "checkpoints" / f"{step:06d}", count=COUNT)
        return found["judge.frechet"]

    before, at, after = (distance(step) for step in (SWITCH - NEAR, SWITCH, SWITCH + NEAR))
    return {
        "FD": distance(9 * SPAN),
        "FD before 32x32": before,
        "FD at 32x32": max(at, after),
        "spike": max(at, after) / before,
        "continuity": continuity(folder),
        "time of 8x8": pace(folder, 2 * SPAN, 3 * SPAN) / pace(folder, 7 * SPAN, 9 * SPAN),
        "training": seconds,
    }


def continuity(folder: Path) -> float:
    """The largest difference between the image of a stage and the one with which the next begins, in a trained run."""
    import torch

    from translate.training.opening import open_trained
    from translate_plugins.growing import doubled

    game = open_trained(folder).game
    network = game.networks["G"].eval()
    z = game.latents["z"].sample(16, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"))
    with torch.no_grad():
        pairs = [(doubled(network(z, float(stage))), network(z, stage + 1e-9)) for stage in range(3)]
    return max(float((old - new).abs().max()) for old, new in pairs)


def pace(folder: Path, first: int, last: int) -> float:
    """Seconds of a step, in the median over a part of a training; all batches have one size."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # The first value of a part counts steps of the part before it, too.
    return statistics.median(line["seconds_per_step"] for line in lines if first + 50 < line["step"] <= last)


PLAIN_WEIGHTS: Final = ("networks.G.weights=null", "networks.D.weights=null")
AT_ONCE: Final = (f"schedules.growth.stable=[{SPAN}, {2 * SPAN}, {2 * SPAN}]", "schedules.growth.fade=0")

PROGAN: Final = [
    Check(
        name="C5_progan",
        claim="ProGAN grows from 4x4 to 32x32 without a step back, and its low stages are quick.",
        needs=[DIGITS],
        measure=progan,
        bounds=[
            Bound(value="FD", most=80),
            Bound(value="spike", most=1.5),
            Bound(value="continuity", most=1e-6),
            Bound(value="time of 8x8", most=0.5),
        ],
        controls={"no fade-in": AT_ONCE, "no equalised rate": PLAIN_WEIGHTS},
        note=(
            f"Each fade and each stage {SPAN} steps, batches of {BATCH}. The spike is the larger distance of the first "
            f"step of 32x32 and {NEAR} steps later, over that {NEAR} steps before. Without equalised rates the layers "
            "begin with He's initialisation, so that only their learning differs."
        ),
    )
]

# -- C6: MSG-GAN ------------------------------------------------------------------------------------------------------

NEIGHBOURS: Final = ((4, 8), (8, 16), (16, 32))


def msg_gan(run: Run) -> Values:
    """Train all scales at once; judge the largest, and compare each scale with the next larger one."""
    settings = [
        *digits(run),
        judge("made.full"),
        *(
            f"evaluation.metrics.x{small}={{metric: l1, of: \"resize(made.x{large}, size={small}, method='area')\", "
            f"to: made.x{small}}}"
            for small, large in NEIGHBOURS
        ),
        f"training.steps={20_000 if FULL else 4200}",
    ]
    folder, seconds = trained("msg_gan", settings, run)
    values = measured(folder, count=COUNT)
    apart = {f"{small} and {large}": values[f"x{small}"] for small, large in NEIGHBOURS}
    return {"FD": values["judge.frechet"], **apart, "most apart": max(apart.values()), "training": seconds}


def cut(side: int) -> Sequence[str]:
    """The control: the discriminator sees this scale, but its gradient does not reach the generator."""
    scales = ", ".join(f"leaf(made.x{each})" if each == side else f"made.x{each}" for each in (4, 8, 16, 32))
    return (f"losses.adversarial.fake=D([{scales}])",)


MSG_GAN: Final = [
    Check(
        name="C6_msg_gan",
        claim="MSG-GAN makes every resolution at once, and its resolutions show one picture.",
        needs=[DIGITS],
        measure=msg_gan,
        bounds=[Bound(value="FD", most=80), Bound(value="most apart", most=0.05)],
        controls={"gradient cut at 16x16": cut(16)},
        note="Differences are mean absolute ones of the larger image's 2x2 means to the smaller, of a range of 1.",
    )
]

PROGRESSIVE: Final = [*PROGAN, *MSG_GAN]
