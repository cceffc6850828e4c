"""The hooks that a plugin may implement.

Mark an implementation with `translate.hookimpl`. The three `translate_components`, `translate_pipelines` and
`translate_commands` hooks return records and are called once per plugin when it is loaded; the others are events,
called on plugins and on the observers of a run. Event implementations may take any subset of the arguments.

Who listens to a training must not change what is learnt. Random numbers may be drawn: the global generators are put
back after each event (which costs some 0.2 ms where others than the project's own observers listen). The networks are
the training's own, and nothing puts them back: what a hook does to them (`eval()`, `requires_grad_`, a step) stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from translate.components import Command, Component, ShippedPipeline
from translate.notices import Notice

if TYPE_CHECKING:
    from translate.training.run import Run

hookspec = pluggy.HookspecMarker("translate")
hookimpl = pluggy.HookimplMarker("translate")


@hookspec
def translate_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Return the components that this plugin supplies.

    Example:
        @translate.hookimpl
        def translate_components():
            yield Component(kind="loss", name="charbonnier", target="my_plugin:charbonnier", summary="Smooth L1.")
    """


@hookspec
def translate_pipelines() -> Iterable[ShippedPipeline]:  # type: ignore[empty-body]
    """Return the pipelines that this plugin ships, so that `translate train NAME` finds them.

    Example:
        @translate.hookimpl
        def translate_pipelines():
            yield ShippedPipeline(name="mine", package="my_plugin", file="mine.yaml", summary="What it reproduces.")
    """


@hookspec
def translate_commands() -> Iterable[Command]:  # type: ignore[empty-body]
    """Return commands for the command line.

    Example:
        @translate.hookimpl
        def translate_commands():
            yield Command(name="hello", target="my_plugin:hello", summary="Say hello.")
    """


@hookspec
def translate_run_started(run: Run) -> None:
    """A training starts or goes on. `run.folder` exists, `run.game` holds the networks."""


@hookspec
def translate_step_finished(run: Run, step: int) -> None:
    """An iteration is over. Reading a tensor here waits for the device; prefer `translate_step_logged`."""


@hookspec
def translate_step_logged(run: Run, step: int, values: Mapping[str, float]) -> None:
    """The values of a logged iteration, every `training.log_every` steps, besides the first and the last.

    `turn.term` for each loss, `turn.term.NAME` for what is measured of it (`accuracy_real`, `accuracy_fake`,
    `diversity` ...), `network.gradient_norm` before clipping, `network.update` (how far the step moved the weights, as
    a share of them), `turn.not_finite` (the most steps in a row that were left out since the values before),
    `lr.turn`, `seconds_per_step`.
    """


@hookspec
def translate_noticed(run: Run, step: int, notice: Notice) -> None:
    """An observer has something to say, by `run.tell`: what it sees, when that began or ended, and what to try."""


@hookspec
def translate_preview_ready(run: Run, step: int, pictures: Mapping[str, Any]) -> None:
    """The preview inputs were evaluated: `pictures` maps expressions to N x C x H x W tensors in [0, 1] on the CPU."""


@hookspec
def translate_checkpoint_saved(run: Run, step: int, folder: Path) -> None:
    """A checkpoint is complete on disk."""


@hookspec
def translate_run_finished(run: Run, step: int, reason: str) -> None:
    """A training ended. `reason` is `done`, `stopped`, `interrupted` or `failed`."""


@hookspec
def translate_exported(file: Path, metadata: Mapping[str, str]) -> None:
    """An ONNX file was written and verified."""
