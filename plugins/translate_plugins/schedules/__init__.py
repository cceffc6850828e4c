"""Built-in schedules: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in schedules."""
    yield Component(
        kind="schedule",
        name="constant",
        target="translate_plugins.schedules.constant:Constant",
        summary="A value that stays.",
    )
    yield Component(
        kind="schedule",
        name="linear",
        target="translate_plugins.schedules.linear:Linear",
        summary="A straight line between two values.",
    )
    yield Component(
        kind="schedule",
        name="cosine",
        target="translate_plugins.schedules.cosine:Cosine",
        summary="Half a cosine between two values.",
    )
    yield Component(
        kind="schedule",
        name="steps",
        target="translate_plugins.schedules.steps:Steps",
        summary="Values that change at given steps.",
    )
    yield Component(
        kind="schedule",
        name="cycle",
        target="translate_plugins.schedules.cycle:Cycle",
        summary="Values that repeat.",
    )
    yield Component(
        kind="schedule",
        name="growth",
        target="translate_plugins.schedules.growth:Growth",
        summary="The stage of a network that grows, fading from one to the next.",
    )
    yield Component(
        kind="schedule",
        name="bursts",
        target="translate_plugins.schedules.bursts:Bursts",
        summary="A value with bursts of another one, first and at regular steps.",
    )
