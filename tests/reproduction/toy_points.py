"""Checks on points of a line and of the plane, A1 to A7: what the losses and the cures of mode collapse do.

All use the pipeline `mixture`, changed by overrides alone, and no files. The data has no end, so that every batch is
new to the networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, pvariance
from typing import TYPE_CHECKING, Any, Final

from harness import FULL, Bound, Check, Run, Values, measured, trained

if TYPE_CHECKING:
    from torch import Tensor

HELD_OUT: Final = 2500
GRID: Final = ["data.law=grid"]


def steps(small: int, full: int) -> str:
    """The setting for the length of a training."""
    return f"training.steps={full if FULL else small}"


def judge(name: str, real: str, fake: str) -> list[str]:
    """The settings by which a discriminator sees its inputs another way."""
    return [f"losses.{name}.real={real}", f"losses.{name}.fake={fake}"]


class Players:
    """The networks of a run or a checkpoint as they are used outside training, with held-out points and fakes."""

    def __init__(self, folder: Path) -> None:
        import torch

        from translate.pipeline.inference_form import inference_networks
        from translate.pipeline.opening import open_stream
        from translate.training.opening import open_trained

        opened = open_trained(folder)
        self.pipeline, self.game = opened.pipeline, opened.game
        networks = inference_networks(self.game.networks, self.pipeline.inference)
        self.judge, self.generator = networks["D"], networks["G"]
        with torch.no_grad():
            self.real = open_stream(self.pipeline, "test", batch_size=1).examples(range(HELD_OUT))["point"]
            source = torch.Generator().manual_seed(self.pipeline.training.seed)
            latent = self.game.latents["z"]
            self.fake = self.generator(latent.sample(HELD_OUT, generator=source, device=torch.device("cpu")))

    def gap(self) -> float:
        """Mean output of the discriminator on held-out points less that on fakes."""
        import torch

        with torch.no_grad():
            return float(self.judge(self.real).mean() - self.judge(self.fake).mean())

    def slope(self) -> float:
        """Mean length of the critic's gradient between points and fakes."""
        import torch

        share = torch.rand(HELD_OUT, 1, generator=torch.Generator().manual_seed(0))
        between = (share * self.real + (1 - share) * self.fake).requires_grad_()
        (gradient,) = torch.autograd.grad(self.judge(between).sum(), between)
        return float(gradient.norm(dim=1).mean())

    def initial(self) -> Tensor:
        """The fakes of the generator before training, a linear map: its weights and its bias in one row."""
        import torch

        from translate.pipeline.building import build

        return _row(build(self.pipeline, self.game.fields).networks["G"], torch)

    def final(self) -> Tensor:
        """The same after training."""
        import torch

        return _row(self.game.networks["G"], torch)


def _row(network: Any, torch: Any) -> Tensor:
    weights: Tensor = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    return weights


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run in the order of their steps."""
    return sorted(path for path in (folder / "checkpoints").iterdir() if (path / "manifest.json").is_file())


def with_checkpoints(run: Run, every: int) -> Run:
    """A run that keeps a checkpoint every so many steps."""
    return replace(run, changes=(f"training.checkpoint_every={every}", "training.keep_checkpoints=1000", *run.changes))


# -- A1: the best discriminator ---------------------------------------------------------------------------------------

A1_STEPS: Final = 4000 if FULL else 1000
FROZEN: Final = [
    "turns.generators=0",
    f"training.optimizers.discriminators.lr={{schedule: linear, initial: 0.001, final: 0.0, end: {A1_STEPS}}}",
    f"training.steps={A1_STEPS}",
    "preview=[]",
    "evaluation.metrics=null",
]


def best_discriminator(run: Run) -> Values:
    """Train a discriminator alone and compare it with p / (p + q), which both problems have in closed form."""
    import torch

    gaussian = ["data.law=gaussian", "latents.z.size=16", "networks.G.layers=[fc*]", "networks.G.init_std=0.25"]
    folder, first = trained("mixture", [*gaussian, *FROZEN], run, name="gaussian")
    players = Players(folder)
    *weights, bias = players.initial().tolist()
    real = torch.distributions.Normal(1.0, 0.5)
    fake = torch.distributions.Normal(bias, sum(weight * weight for weight in weights) ** 0.5)
    x = torch.linspace(-4, 4, 801)[:, None]
    p, q = real.log_prob(x).exp(), fake.log_prob(x).exp()
    seen = (p + q) / 2 > 0.02  # where no example comes by, nothing is learned
    with torch.no_grad():
        error = float((players.judge(x).sigmoid() - p / (p + q)).abs()[seen].max())
    # A steep tanh of a normal number is one of two points, equally often.
    points = ["data.law=two_point", "data.share=0.8", "latents.z.size=1", "networks.G.layers=[fc* tanh]"]
    folder, second = trained("mixture", [*points, "networks.G.init_std=1000", *FROZEN], run, name="two_points")
    judged = Players(folder).judge(torch.tensor([[-1.0], [1.0]])).sigmoid().flatten().tolist()
    wanted = (0.2 / (0.2 + 0.5), 0.8 / (0.8 + 0.5))
    return {
        "error gaussian": error,
        "error two points": max(abs(one - other) for one, other in zip(judged, wanted, strict=True)),
        "generator moved": float((players.final() - players.initial()).abs().max()),
        "training": first + second,
    }


OPTIMUM: Final = [
    Check(
        name="A1_optimum",
        claim="With the generator frozen the discriminator becomes p / (p + q), on a line and on two points.",
        needs=[],
        measure=best_discriminator,
        bounds=[
            Bound(value="error gaussian", most=0.05),
            Bound(value="error two points", most=0.05),
            Bound(value="generator moved", most=0.0),
        ],
        controls={"D's step also updates G": ("turns.discriminators={learn: [D, G], side: discriminators}",)},
        note="Largest error where the mean density of real and fake points is above 0.02.",
    )
]

# -- A2: the saturating loss ------------------------------------------------------------------------------------------

ONLY_D: Final = 200
ONLY_G: Final = 200
NO_NORM: Final = "networks.G.layers=[fc128 relu, fc128 relu, fc128 relu, fc*]"


def movement(run: Run, name: str, minimax: str) -> tuple[float, float]:
    """By how much the gap between the logits falls while the generator learns alone, and the seconds it took."""
    settings = [
        NO_NORM,
        "turns.generators=0",
        f"phases=[{{start: {ONLY_D}, turns: {{discriminators: 0, generators: 1}}}}]",
        "training.optimizers.generators={name: sgd, lr: 0.01}",
        "training.optimizers.discriminators.lr=0.001",
        f"losses.adversarial.minimax={minimax}",
    ]
    before, first = trained("mixture", [*settings, f"training.steps={ONLY_D}"], run, name=f"{name}_before")
    after, second = trained("mixture", [*settings, f"training.steps={ONLY_D + ONLY_G}"], run, name=f"{name}_after")
    return Players(before).gap() - Players(after).gap(), first + second


def saturation(run: Run) -> Values:
    """Let a generator learn against a discriminator that is ahead, with each of the two losses."""
    forms = ["false", "true"] if not run.changes else ["true", "false"]
    plain = replace(run, changes=())
    moved, first = movement(plain, "non_saturating", forms[0])
    stuck, second = movement(plain, "minimax", forms[1])
    return {
        "fall": moved,
        "fall of minimax": stuck,
        "ratio": moved / max(stuck, 1e-6),
        "training": first + second,
    }


SATURATION: Final = [
    Check(
        name="A2_saturation",
        claim="Against a discriminator that is 200 steps ahead, the non-saturating loss moves the generator further.",
        needs=[],
        measure=saturation,
        bounds=[Bound(value="fall", least=0.1), Bound(value="ratio", least=5)],
        controls={"losses exchanged": ("minimax for the first, non-saturating for the second",)},
        note="The generators learn by plain gradient descent: Adam divides by the size of a gradient that vanishes.",
    )
]

# -- A3: GAN and LSGAN on the grid ------------------------------------------------------------------------------------


def found(folder: Path) -> dict[str, float]:
    """Modes, quality and reverse KL of a run or a checkpoint, by short names."""
    values = measured(folder, count=HELD_OUT)
    return {
        "modes": values["modes.captured"],
        "quality": values["modes.quality"],
        "reverse KL": values["modes.reverse_kl"],
    }


def grid(settings: Sequence[str]) -> Callable[[Run], Values]:
    """Train on the grid and count modes."""

    def measure(run: Run) -> Values:
        folder, seconds = trained("mixture", [*GRID, steps(10_000, 10_000), *settings], run)
        return {**found(folder), "training": seconds}

    return measure


ON_GRID: Final = [
    Check(
        name=f"A3_{name}",
        claim=f"{title} with three hidden layers of 128 finds the modes of the grid.",
        needs=[],
        measure=grid(settings),
        bounds=[Bound(value="modes", least=23), Bound(value="quality", least=0.35)],
        controls={"one latent, no hidden layer": ("latents.z.size=1", "networks.G.layers=[fc*]")},
    )
    for name, title, settings in (
        ("gan", "The GAN", []),
        ("lsgan", "LSGAN", ["losses.adversarial.loss=lsgan"]),
    )
]


def falling(rate: float, count: int) -> str:
    """A rate that falls to 0 over the second half of so many steps."""
    return f"{{schedule: linear, initial: {rate}, final: 0.0, start: {count // 2}, end: {count}}}"


# -- A4: WGAN with clipping -------------------------------------------------------------------------------------------

CLIP: Final = 0.1
A4_STEPS: Final = 20_000 if FULL else 4000
WGAN: Final = [
    *GRID,
    "losses.adversarial.loss=wasserstein",
    "turns.discriminators=5",
    f"training.optimizers.generators={{name: rmsprop, lr: {falling(0.0001, A4_STEPS)}}}",
    f"training.optimizers.discriminators={{name: rmsprop, lr: {falling(0.0002, A4_STEPS)}, clip_weights: {CLIP}}}",
    f"training.steps={A4_STEPS}",
]


def clipped(run: Run) -> Values:
    """Train a clipped critic and follow its estimate of the distance on held-out points."""
    folder, seconds = trained("mixture", WGAN, with_checkpoints(run, A4_STEPS // 20))
    late = [Players(path) for path in checkpoints(folder)][10:]
    estimates = [players.gap() for players in late]
    third = len(estimates) // 3
    weights = max(
        float(each.detach().abs().max()) for players in late for each in players.game.networks["D"].parameters()
    )
    return {
        **found(folder),
        "largest weight / clip": weights / CLIP,
        "estimate": fmean(estimates[-third:]),
        "fall of the estimate": fmean(estimates[:third]) - fmean(estimates[-third:]),
        "training": seconds,
    }


CLIPPED: Final = [
    Check(
        name="A4_wgan",
        claim="A clipped Wasserstein critic keeps its bound; its estimate on held-out points is positive and falls.",
        needs=[],
        measure=clipped,
        bounds=[
            Bound(value="largest weight / clip", most=1.0 + 1e-6),
            Bound(value="estimate", least=1e-6),
            Bound(value="fall of the estimate", least=0.0),
            Bound(value="modes", least=15),
        ],
        controls={
            "a constant critic": ("training.optimizers.discriminators.clip_weights=1.0e-9",),
            "clipped at 10": ("training.optimizers.discriminators.clip_weights=10.0",),
        },
        note=(
            f"Clipped at {CLIP}: networks of 128 are too flat to tell 25 modes apart at 0.01. Rates that fall to 0: "
            "with constant ones the estimate is as low as it gets at half of the training, and then only wavers "
            "(falls of 0.024, -0.003 and -0.014 with seeds 0, 1 and 2)."
        ),
    )
]

# -- A5: WGAN-GP ------------------------------------------------------------------------------------------------------

PENALTY_WEIGHT: Final = 1


def penalty(small: int, full: int) -> list[str]:
    """The settings of WGAN-GP for so many steps, with a rate that falls to 0 over the second half."""
    count = full if FULL else small
    rate = falling(0.001, count)
    return [
        "losses.adversarial.loss=wasserstein",
        "flow.between=mix(point, fake)",
        f"losses.penalty={{loss: gradient_penalty, of: D(between), at: between, weight: {PENALTY_WEIGHT}}}",
        "turns.discriminators=5",
        *(
            f"training.optimizers.{side}={{name: adam, lr: {rate}, betas: [0.5, 0.9]}}"
            for side in ("generators", "discriminators")
        ),
        "networks.G.layers=[fc128 relu, fc128 relu, fc128 relu, fc*]",
        f"training.steps={count}",
    ]


def penalised(run: Run) -> Values:
    """Train WGAN-GP on the grid and on the roll."""
    folder, first = trained("mixture", [*GRID, *penalty(6000, 20_000)], run, name="grid")
    roll = ["data.law=swiss_roll", "evaluation.metrics=null"]
    rolled, second = trained("mixture", [*roll, *penalty(2000, 10_000)], run, name="roll")
    players = Players(rolled)
    return {
        **found(folder),
        "slope": Players(folder).slope(),
        "slope on the roll": players.slope(),
        "near the roll": near_the_roll(players.fake),
        "training": first + second,
    }


def near_the_roll(points: Tensor) -> float:
    """Share of points within three standard deviations of the curve."""
    import math

    import torch

    angle = torch.linspace(1.5 * math.pi, 4.5 * math.pi, 2000)
    curve = torch.stack([angle * angle.cos(), angle * angle.sin()], dim=1) / 7.5
    return float((torch.cdist(points, curve).amin(1) <= 3 * 0.25 / 7.5).float().mean())


PENALISED: Final = [
    Check(
        name="A5_wgan_gp",
        claim="WGAN-GP finds all 25 modes, with a critic of slope 1 on the grid and on the roll.",
        needs=[],
        measure=penalised,
        bounds=[
            Bound(value="modes", least=25),
            Bound(value="quality", least=0.5),
            Bound(value="slope", least=0.8, most=1.2),
            Bound(value="slope on the roll", least=0.8, most=1.2),
        ],
        controls={"no penalty": ("losses.penalty.weight=1.0e-9",)},  # with 0 the critic is refused as unbounded
        note=(
            f"A penalty weight of {PENALTY_WEIGHT} in place of 10, which on points of the plane holds the critic back: "
            "with 10 and 4,000 steps 12 modes and a quality of 0.01; with 0.1 (and 3,000) 25 modes and 0.30, but a "
            "slope of 2.9."
        ),
    )
]

# -- A6: packing and minibatch features -------------------------------------------------------------------------------

PAIRS: Final = 5 if FULL else 2  # trainings with and without, for each law
PACGAN: Final = [
    "networks.G.layers=[fc400 batch relu, fc400 batch relu, fc400 batch relu, fc400 batch relu, fc*]",
    "networks.D.layers=[fc200 maxout5, fc200 maxout5, fc200 maxout5, fc1]",
    "training.batch_size=100",
    "training.optimizers.generators={name: adam, lr: 0.0001, betas: [0.8, 0.999]}",
    "training.optimizers.discriminators={name: adam, lr: 0.0001, betas: [0.8, 0.999]}",
]
TRUNK: Final = [
    "networks.D.layers=[fc200 maxout5, fc1]",
    "networks.trunk={discriminator: stack, init_std: null, layers: [fc200 maxout5, fc200 maxout5]}",
]
TECHNIQUES: Final[Mapping[str, tuple[Sequence[str], Sequence[str], Mapping[str, Sequence[str]]]]] = {
    "packing": (
        [],
        judge("adversarial", "D(pack(point, count=2))", "D(pack(fake, count=2))"),
        {"the same sample twice": judge("adversarial", "D(concat(point, point))", "D(concat(fake, fake))")},
    ),
    "discrimination": (
        [*TRUNK, *judge("adversarial", "D(trunk(point))", "D(trunk(fake))")],
        [
            "networks.M={discriminator: minibatch_discrimination, kernels: 50}",
            *judge("adversarial", "D(M(trunk(point)))", "D(M(trunk(fake)))"),
        ],
        {"distances without meaning": ("networks.M.init_std=1000",)},
    ),
    "stddev": (
        [*TRUNK, *judge("adversarial", "D(trunk(point))", "D(trunk(fake))")],
        judge("adversarial", "D(minibatch_stddev(trunk(point)))", "D(minibatch_stddev(trunk(fake)))"),
        {
            "each example by itself": judge(
                "adversarial", "D(minibatch_stddev(trunk(point), group=1))", "D(minibatch_stddev(trunk(fake), group=1))"
            )
        },
    ),
}


def several(plain: Sequence[str], technique: Sequence[str]) -> Callable[[Run], Values]:
    """Train on ring and grid with and without a technique, several times each."""

    def measure(run: Run) -> Values:
        values: dict[str, float] = {}
        total = 0.0
        for law in ("ring", "grid"):
            for name, settings in (("without", plain), ("with", [*plain, *technique])):
                results = []
                for pair in range(PAIRS):
                    # A control breaks the technique, so what stands without it is as it was.
                    changes = run.changes if name == "with" else ()
                    one = Run(seed=run.seed * PAIRS + pair, folder=run.folder, data=run.data, changes=changes)
                    settings_now = [f"data.law={law}", *PACGAN, steps(3000, 20_000), *settings]
                    folder, seconds = trained("mixture", settings_now, one, name=f"{law}_{name}_{pair}")
                    results.append(found(folder))
                    total += seconds
                for key in results[0]:
                    values[f"{law} {key} {name}"] = fmean(result[key] for result in results)
        more = {f"{law} modes gained": values[f"{law} modes with"] - values[f"{law} modes without"] for law in LAWS}
        ratio = values["grid reverse KL with"] / values["grid reverse KL without"]
        return {**values, **more, "grid reverse KL ratio": ratio, "training": total}

    return measure


LAWS: Final = ("ring", "grid")

PACKING: Final = [
    Check(
        name=f"A6_{name}",
        claim=f"{title} keeps at least as many modes of ring and grid, more evenly.",
        needs=[],
        measure=several(plain, technique),
        bounds=[
            Bound(value="ring modes gained", least=0),
            Bound(value="grid modes gained", least=0),
            Bound(value="grid reverse KL ratio", most=0.5),
        ],
        controls=controls,
        note=(
            "Networks, rates and batches of PacGAN, whose 400,000 steps give 17.3 modes and 0.70 without packing, 23.8 "
            f"and 0.13 with packs of two. Here {'20,000' if FULL else '3,000'} steps, means of {PAIRS} trainings each."
        ),
    )
    for (name, (plain, technique, controls)), title in zip(
        TECHNIQUES.items(), ("Packing", "Minibatch discrimination", "The standard deviation of the batch"), strict=True
    )
]

# -- A7: experience replay --------------------------------------------------------------------------------------------

A7_STEPS: Final = 10_000 if FULL else 1500
FORGETTING: Final = [
    "networks.G.layers=[fc64 batch relu, fc64 batch relu, fc64 batch relu, fc*]",
    "networks.D.layers=[fc64 leaky, fc64 leaky, fc64 leaky, fc1]",
    "turns={discriminators: 1, generators: 5}",
    "training.batch_size=128",
    "training.optimizers.generators.lr=0.0005",
    "training.optimizers.discriminators.lr=0.0005",
    f"training.steps={A7_STEPS}",
]
REMEMBERED: Final = "losses.adversarial.fake=D(replay(fake, size=10000, share=0.5))"


def remembering(run: Run) -> Values:
    """Train with five generator steps for each of the discriminator, with a buffer and without, and count modes."""
    values: dict[str, float] = {}
    total = 0.0
    for name, settings in (("without", []), ("with", [REMEMBERED])):
        plain = run if name == "with" else replace(run, changes=())
        folder, seconds = trained(
            "mixture", [*FORGETTING, *settings], with_checkpoints(plain, A7_STEPS // 100), name=name
        )
        captured = [found(path)["modes"] for path in checkpoints(folder)[-20:]]
        values |= {f"modes {name}": fmean(captured), f"variance {name}": pvariance(captured)}
        total += seconds
    return {
        **values,
        "variance saved": values["variance without"] - values["variance with"],
        "modes gained": values["modes with"] - values["modes without"],
        "training": total,
    }


REPLAY: Final = [
    Check(
        name="A7_replay",
        claim="With experience replay fewer modes come and go, although the generator learns five times as often.",
        needs=[],
        measure=remembering,
        bounds=[Bound(value="variance saved", least=1e-9), Bound(value="modes gained", least=0)],
        controls={"a buffer of one": ("losses.adversarial.fake=D(replay(fake, size=1, share=0.5))",)},
        note=(
            "Variance over 20 checkpoints of the last fifth of the training. Half of the discriminator's fakes are old;"
            " where all are, it lags behind: a trial with seed 0 had 5.1 modes and a variance of 1.8."
        ),
    )
]

TOYS: Final = [*OPTIMUM, *SATURATION, *ON_GRID, *CLIPPED, *PENALISED, *PACKING, *REPLAY]
