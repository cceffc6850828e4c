"""What a pipeline says and no iteration does: losses and choices without effect, phases after the end.

A turn of 0 steps, like a weight of 0, is left out on purpose: so a side is frozen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from translate.errors import Problem
from translate.pipeline.settings import Pipeline


def idle_parts(pipeline: Pipeline, counted: Collection[str]) -> Iterator[Problem]:
    """What is there and has no effect.

    Args:
        pipeline: A loaded pipeline.
        counted: Names of the losses that a turn of some phase counts.
    """
    yield from _idle_losses(pipeline, counted)
    yield from _idle_choices(pipeline)
    yield from _late_phases(pipeline)


def _idle_losses(pipeline: Pipeline, counted: Collection[str]) -> Iterator[Problem]:
    """Losses of which no network that learns from them takes part; one whose weight is 0 is left out on purpose."""
    told: set[str] = set()
    for index, phase in enumerate(pipeline.phases):
        for name, term in phase.losses.items():
            if name in counted or name in told or term.weight == 0.0:
                continue
            told.add(name)
            side = f" on the side of the {term.side}" if term.side else ""
            text = (
                f"no turn counts this loss: nothing that it is given comes from a network that learns{side}. Give it "
                "such a value, count it on another `side`, or remove it"
            )
            yield pipeline.problem(("losses", name), text, of="key", phase=index)


def _idle_choices(pipeline: Pipeline) -> Iterator[Problem]:
    """Choices of a loss that count on one side, where it counts on the other."""
    for index, phase in enumerate(pipeline.phases):
        for name, term in phase.losses.items():
            schema, by_side = term.use.entry.schema, getattr(term.use.entry.factory, "side_choices", {})
            default = {choice.name: choice.default for choice in schema.choices}
            for side, keys in by_side.items():
                for key in keys:
                    if term.side in {None, side} or term.use.choices.get(key) == default.get(key):
                        continue
                    text = f"it counts for the {side} alone, and this term for the {term.side}. Remove it"
                    yield pipeline.problem(("losses", name, key), text, of="key", phase=index)


def _late_phases(pipeline: Pipeline) -> Iterator[Problem]:
    """Phases that begin when the training is over; not where it was shortened on the command line, to try it out."""
    steps = pipeline.training.steps
    if not pipeline.document.position(("training", "steps")).line:
        return
    for index, phase in enumerate(pipeline.phases[1:]):
        if phase.start >= steps:
            text = (
                f"this phase never begins: `training.steps` is {steps}, and it starts at {phase.start}. Let it start "
                "earlier, train longer, or remove it"
            )
            yield pipeline.problem(("phases", index, "start"), text)
