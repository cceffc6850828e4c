"""`translate sample RUN_OR_ONNX`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from translate.cli.options import ExternalData


def command(
    source: Annotated[
        Path, typer.Argument(help="A run's folder, a checkpoint, or an exported file.", metavar="RUN_OR_ONNX")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            help="FILE.png for a grid, FILE.gif for a film, FILE.npy for the values, or a folder for single pictures;"
            " a grid beside the run or file when left out."
        ),
    ] = None,
    export: Annotated[
        str | None, typer.Option(help="Which of a run's exports, where there are several.", metavar="NAME")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            help="How many draws: pictures of a grid (64), rows beside a sweep, columns beside --rows (8).", min=1
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the draws.", min=0)] = 0,
    label: Annotated[
        int | None, typer.Option(help="The class to make; every class is a column when left out.", min=0)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Value of an input: psi=0.7, c=2, z[3]=1 (repeatable).", metavar="NAME=VALUE"),
    ] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option("--input", help="The picture that the export takes (NAME=FILE for several).", metavar="FILE"),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(help="Along the columns: c (every class), c=0,3, code[0]=-2:2:10.", metavar="NAME[=VALUES]"),
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="Along the rows, as --sweep; z alone is draws of z.", metavar="NAME[=VALUES]")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Along the columns; another word for --sweep.", metavar="NAME[=VALUES]")
    ] = None,
    interpolate: Annotated[
        str | None, typer.Option(help="Along the columns: this latent from one draw to the next.", metavar="NAME")
    ] = None,
    law: Annotated[
        str | None, typer.Option(help="slerp or linear; slerp for normal latents when left out.", metavar="LAW")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Of an interpolation, both ends included; 16 when left out.", min=2)
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second of a film.", min=0.01)] = None,
    batch: Annotated[int, typer.Option(help="Pictures that are computed together.", min=1)] = 16,
    external_data: ExternalData = False,
    threads: Annotated[int | None, typer.Option(help="Processor threads.", min=1)] = None,
) -> None:
    """Draw latents and make pictures of them: grids, sweeps, interpolations.

    The same seed gives the same pictures from a run and from the file exported from it, to rounding.
    """
    from translate.pictures import shown
    from translate.sampling import sample

    result = sample(
        source,
        output=output,
        export=export,
        count=count,
        seed=seed,
        label=label,
        settings=settings or (),
        pictures=pictures or (),
        sweep=sweep,
        rows=rows,
        columns=columns,
        interpolate=interpolate,
        law=law,
        frames=frames,
        fps=fps,
        batch=batch,
        threads=threads,
        external_data=external_data,
        write=True,
    )
    for line in result.description:
        typer.echo(line)
    several = f"{len(result.files)} files in {shown(result.files[0].parent)}" if len(result.files) > 1 else ""
    typer.echo(f"wrote {several or shown(result.files[0])}")
