"""`translate evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from translate.cli.progress import progress_bars


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN_OR_CHECKPOINT", help="Folder of a run, or of one checkpoint.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Other data or metrics: data.root=FOLDER, evaluation.count=100."),
    ] = None,
    *,
    split: Annotated[str | None, typer.Option(help="train, val or test; as the pipeline says where not given.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Only the first so many examples.")] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for the files; the run's where not given.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Examples at once.")] = 16,
    require_metrics: Annotated[
        bool, typer.Option("--require-metrics", help="Fail (exit code 4) where the weights of a metric are missing.")
    ] = False,
) -> None:
    """Measure a trained run on held-out data, beside nearest-neighbour retrieval.

    Writes evaluation-SPLIT-STEP.json and .png into the run's folder.
    """
    from rich.console import Console

    from translate.evaluation import evaluate

    with progress_bars() as progress:
        report = evaluate(
            run,
            split=split,
            count=count,
            output=output,
            batch_size=batch_size,
            overrides=overrides or (),
            device=device,
            require_metrics=require_metrics,
            progress=progress,
        )
    Console().print(report.table())
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    for file in report.files:
        typer.echo(f"wrote {file}")
