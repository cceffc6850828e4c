"""`translate import-weights FILE.pth --output FILE.safetensors`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    file: Annotated[Path, typer.Argument(help="A file that torch.save wrote.", metavar="FILE.pth")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(help="The file to write; when left out, only what is in it is shown.", metavar="FILE.safetensors"),
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Only the tensors below this name, without it, e.g. state_dict.", metavar="NAME")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(help="GiB that reading may take; 4 x the file, at least 2, when left out.", min=0.1)
    ] = None,
    seconds: Annotated[int, typer.Option(help="How long reading may take.", min=1)] = 120,
) -> None:
    """Turn a .pth file of weights into a safetensors file, without running what is in it.

    It is read by torch's restricted reader in a process of its own, with limits of memory and time. Nothing here trains
    or exports from foreign weights: the file is for components that take a file of weights, such as `perceptual`.
    """
    from translate.cli.tables import print_table
    from translate.foreign import printable
    from translate.importing import check_output, import_weights, read_foreign

    if output is not None:
        check_output(output)
    foreign = read_foreign(file, memory=None if memory is None else int(memory * 2**30), seconds=seconds)
    if part is not None:
        foreign = foreign.part(part)
    rows = [(printable(item.name), item.dtype, "x".join(map(str, item.shape)) or "1 value") for item in foreign.entries]
    print_table(("tensor", "type", "shape"), rows)
    values = sum(tensor.numel() for tensor in foreign.tensors.values())
    typer.echo(f"{len(rows)} tensors, {values:,} values")
    if foreign.left_out:
        typer.echo(f"left out: {', '.join(foreign.left_out)}")
    if output is not None:
        typer.echo(f"wrote {import_weights(foreign, output)}")
