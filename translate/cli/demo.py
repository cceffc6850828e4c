"""`translate demo`: the whole way, on data that needs no file: train, export, translate through onnxruntime, look."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from translate.cli.errors import report_folder

if TYPE_CHECKING:
    from translate.pipeline import Pipeline


def command(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings of the pipeline `demo` as key=value.", metavar="[KEY=VALUE]...")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/demo"),
    count: Annotated[int, typer.Option(min=1, help="Held-out pictures to translate.")] = 8,
) -> None:
    """Train a small pix2pix on drawn buildings, export it to ONNX, and translate held-out label maps with it.

    A few minutes on two processor cores. The same command again goes on where it stopped.
    """
    from translate.exporting import export
    from translate.pipeline import load_pipeline
    from translate.training import train

    report_folder.set(out)
    begun = time.monotonic()
    pipeline = load_pipeline("demo", overrides or [])
    typer.echo(f"1/3  training: {pipeline.training.steps} steps on buildings drawn by code, into {out}")
    if not train(pipeline, out=out).is_main:
        return
    typer.echo("2/3  exporting to ONNX, and comparing with PyTorch")
    file = export(out)
    typer.echo(f"3/3  translating {count} held-out label maps with {file.name} in onnxruntime")
    grid = translate_held_out(pipeline, file, out / "pictures", count)
    typer.echo(f"done in {(time.monotonic() - begun) / 60:.1f} minutes")
    typer.echo(f"  look at:    {grid}")
    typer.echo(f"  the model:  {file}   (translate run {file} PICTURES --output FOLDER)")
    typer.echo(f"  measure it: translate evaluate {out}")


def translate_held_out(pipeline: Pipeline, file: Path, folder: Path, count: int) -> Path:
    """Write held-out inputs, translate them from their files, and put them beside the truth.

    Returns:
        A picture with the columns input, translated, truth.
    """
    import numpy as np

    from translate.grids import picture_grid
    from translate.inference import Translator
    from translate.pictures import write_picture
    from translate.pipeline.opening import open_dataset

    dataset = open_dataset(pipeline, "test")
    translator = Translator(file)
    columns: dict[str, list[np.ndarray]] = {"input": [], "translated": [], "truth": []}
    for index in range(min(count, len(dataset))):
        example = dataset.example(index, np.random.default_rng(index))
        source = folder / "input" / f"{dataset.name(index)}.png"
        source.parent.mkdir(parents=True, exist_ok=True)
        write_picture(source, example["source"])
        pictures = (example["source"], translator(source), example["target"])
        for (name, column), picture in zip(columns.items(), pictures, strict=True):
            column.append(picture)
            if name != "input":
                (folder / name).mkdir(exist_ok=True)
                write_picture(folder / name / source.name, picture)
    grid = folder / "overview.png"
    write_picture(grid, picture_grid({name: np.stack(column) for name, column in columns.items()}))
    return grid
