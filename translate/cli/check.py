"""`translate check`: everything that can be wrong, before anything is started."""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    pipeline: Annotated[str, typer.Argument(help="Name of a shipped pipeline, or path of a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings as key=value.", metavar="[KEY=VALUE]...")
    ] = None,
) -> None:
    """Check keys, names, types, the data's folder, and all shapes, and report every problem at once."""
    from translate.pipeline import load_pipeline

    loaded = load_pipeline(pipeline, overrides or [])

    from translate.pipeline.checking import check
    from translate.pipeline.opening import open_stream

    stream = open_stream(loaded, "train", batch_size=loaded.training.batch_size)
    game = check(loaded, stream.fields)
    typer.echo(f"{loaded.name}: no problems")
    typer.echo(f"  data: {len(stream)} examples of {', '.join(f'{n} {s}' for n, s in stream.fields.items())}")
    for name, network in game.networks.items():
        use = loaded.networks[name]
        count = sum(parameter.numel() for parameter in network.parameters())
        takes = ", ".join(map(str, game.network_inputs[name].inputs))
        typer.echo(f"  {name}: {use.entry.kind} {use.name}({takes}), {count:,} parameters")
