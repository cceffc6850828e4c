"""What to try for each finding, with settings by the names that a pipeline and the command line have for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from translate_plugins.observers.health_judge import Finding

if TYPE_CHECKING:
    from translate.pipeline.settings import Pipeline


@dataclass(frozen=True, slots=True)
class Settings:
    """The names of a pipeline's settings.

    Attributes:
        turns: Turn names, with the networks that learn in each.
        sides: Turn names, with their sides.
        optimizers: The keys of `training.optimizers`: sides, or turns.
        rates: The learning rate of each turn, as far as it is a number.
    """

    turns: Mapping[str, Sequence[str]]
    sides: Mapping[str, str]
    optimizers: frozenset[str]
    rates: Mapping[str, float]

    @classmethod
    def of(cls, pipeline: Pipeline) -> Settings:
        """Read them."""
        phases = pipeline.phases
        rates: dict[str, Any] = {name: use.lr for phase in phases for name, use in phase.optimizers.items()}
        return cls(
            turns={name: turn.learn for phase in phases for name, turn in phase.turns.items()},
            sides={name: turn.side for phase in phases for name, turn in phase.turns.items()},
            optimizers=frozenset(pipeline.training.optimizers),
            rates={name: lr for name, lr in rates.items() if isinstance(lr, float)},
        )

    def optimizer(self, turn: str) -> str:
        """Where a turn's optimiser is set."""
        return f"training.optimizers.{turn if turn in self.optimizers else self.sides.get(turn, turn)}"

    def turn_of(self, network: str) -> str:
        """The first turn in which a network learns."""
        return next((turn for turn, learn in self.turns.items() if network in learn), network)

    def turn_on(self, side: str) -> str:
        """The first turn of a side."""
        return next((turn for turn, found in self.sides.items() if found == side), side)

    def lower(self, turn: str) -> str:
        """A lower learning rate, with today's where it is a number."""
        rate = self.rates.get(turn)
        return f"a lower {self.optimizer(turn)}.lr" + (f" (now {rate:g})" if rate else "")


def advice(finding: Finding, settings: Settings) -> tuple[str, ...]:
    """What to try, the most promising first."""
    first, _, rest = finding.about.rpartition(".")
    turn = first or settings.turn_on("discriminators")
    term = f"losses.{rest}"
    generators = settings.turn_on("generators")
    if finding.kind == "not_finite":
        turn = finding.about
        return settings.lower(turn), f"{settings.optimizer(turn)}.clip_norm: 1", "training.precision: fp32 or bf16"
    if finding.kind == "explosion":
        turn = settings.turn_of(finding.about)
        clip = f"{settings.optimizer(turn)}.clip_norm: 1"
        if settings.sides.get(turn) == "discriminators":
            bounds = f"networks.{finding.about}.weights: spectral; for a critic a gradient_penalty or clip_weights"
            return settings.lower(turn), clip, bounds
        against = settings.turn_on("discriminators")
        return settings.lower(turn), clip, f"{settings.lower(against)}, if it is the discriminator that has gone wild"
    if finding.kind == "strides":
        return (settings.lower(settings.turn_of(finding.about)),)
    if finding.kind == "frozen":
        turn = settings.turn_of(finding.about)
        if finding.hint == "lr":
            return (f"raise {settings.optimizer(turn)}.lr, or look where its schedule ends",)
        return (f"look at {settings.optimizer(turn)} (lr, clip_value) and at what the turn '{turn}' learns from",)
    if finding.kind == "wild":
        return settings.lower(turn), f"{settings.optimizer(turn)}.clip_norm: 1"
    if finding.kind == "overpowering":
        given_away = "look whether something tells the two sides apart but what the generators make: a label or"
        given_away += f" condition, the value range, noise or borders on one side of {term}"
        ways = [settings.lower(turn), f"turns.{turn}.skip_below", f"label_noise in {term} (bce, lsgan)"]
        return (given_away, *ways) if finding.hint else (*ways, given_away)
    return (
        settings.lower(generators),
        f"minibatch_stddev(...), pack(...) or pool(...) around what {term} judges",
        f"{term}.loss: wasserstein with a gradient_penalty",
    )
