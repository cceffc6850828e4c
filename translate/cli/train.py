"""`translate train`: train a pipeline, or go on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from translate.cli.errors import report_folder


def command(
    pipeline: Annotated[str, typer.Argument(help="Name of a shipped pipeline, or path of a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Settings as key=value, e.g. training.steps=2000.", metavar="[KEY=VALUE]..."),
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option(help="The run's folder. Default: runs/NAME.")] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take a run whose lock a process on another machine left.")
    ] = False,
    accept_data_change: Annotated[
        bool, typer.Option("--accept-data-change", help="Go on with data that is not what it was.")
    ] = False,
    fork: Annotated[
        Path | None,
        typer.Option(help="A run, or one of its checkpoints, where the new run begins; settings may differ."),
    ] = None,
) -> None:
    """Train a pipeline. The same command again goes on where it stopped."""
    from translate.pipeline import load_pipeline
    from translate.stopping import StopRequests
    from translate.training import train

    loaded = load_pipeline(pipeline, overrides or [], run=out or Path("runs") / Path(pipeline).stem)
    folder = out or Path("runs") / loaded.name
    report_folder.set(folder)
    result = train(loaded, out=folder, take_over=take_over, accept_data_change=accept_data_change, fork=fork)
    StopRequests.let_end()  # a few lines are left to be said
    if not result.is_main:
        return
    if result.already_done:
        typer.echo(f"already finished at step {result.step}; raise training.steps to go on")
    typer.echo(f"run: {result.folder}")
    typer.echo(f"next: translate export {result.folder}   |   translate evaluate {result.folder}")
