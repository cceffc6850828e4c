"""`translate export RUN_OR_CHECKPOINT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from translate.exporting.exporter import Report


def command(
    source: Annotated[
        Path, typer.Argument(help="A run's folder, or one of its checkpoints.", metavar="RUN_OR_CHECKPOINT")
    ],
    *,
    output: Annotated[
        Path | None, typer.Option(help="The file; RUN/exports/NAME.onnx when left out.", metavar="FILE.onnx")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Which entry of the pipeline's `export` section; all of them when left out.")
    ] = None,
    float_only: Annotated[
        bool, typer.Option("--float", help="The bare network: float32 N x C x H x W in and out.")
    ] = False,
    opset: Annotated[int, typer.Option(help="ONNX operator set, 18 or newer.")] = 18,
) -> None:
    """Write a run's models as ONNX files, each verified in onnxruntime against PyTorch."""
    from translate.exporting import export_all, export_report

    if name is None and output is None:
        export_all(source, float_only=float_only, opset=opset, done=_show)
    else:
        _show(export_report(source, name=name, output=output, float_only=float_only, opset=opset))


def _show(report: Report) -> None:
    typer.echo(f"wrote {report.file} and {report.sidecar.name}")
    typer.echo(
        f"verified against PyTorch in {len(report.results)} comparisons:"
        f" largest difference {report.difference:.3g} {report.unit}"
    )
    typer.echo(f"free dimensions: {', '.join(report.dynamic_axes) or 'none'}")
    if report.fixed_because:
        typer.echo(f"the others are fixed: {report.fixed_because}")
