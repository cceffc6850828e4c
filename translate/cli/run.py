"""`translate run FILE.onnx INPUT... --output FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from translate.cli.options import ExternalData
from translate.errors import DataError, UsageError

if TYPE_CHECKING:
    from translate.inference import Translator


def command(
    file: Annotated[Path, typer.Argument(help="An exported file.", metavar="FILE.onnx")],
    inputs: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", metavar="INPUT...")],
    *,
    output: Annotated[
        Path, typer.Option(help="Folder for the results, as PNG (.npy where PNG cannot hold them).", metavar="FOLDER")
    ],
    tile: Annotated[
        int | None, typer.Option(help="Cut larger pictures into tiles of this size; off when left out.", min=1)
    ] = None,
    overlap: Annotated[int, typer.Option(help="Pixels that neighbouring tiles share and blend.", min=0)] = 64,
    batch: Annotated[int, typer.Option(help="Neighbouring pictures of one size that run together.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the latents, where the file takes some.", min=0)] = 0,
    label: Annotated[int | None, typer.Option(help="The class, where the file takes one.", min=0)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Value of another input, for all pictures (repeatable).", metavar="NAME=VALUE"),
    ] = None,
    pictures: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="Another picture that the file takes: a folder with pictures of the same names, or one file for all.",
            metavar="NAME=FOLDER",
        ),
    ] = None,
    external_data: ExternalData = False,
    threads: Annotated[int | None, typer.Option(help="Processor threads.", min=1)] = None,
) -> None:
    """Translate pictures with an exported file: pictures in, pictures out."""
    from translate.inference import Translator, translate_files
    from translate.inference.files import find_inputs, output_suffix
    from translate.pictures import shown

    translator = Translator(file, threads=threads, external_data=external_data)
    others = _others(translator, label, settings or [], pictures or [])
    with _shown_progress(len(find_inputs(inputs, output, output_suffix(translator)))) as progress:
        result = translate_files(
            translator,
            inputs,
            output,
            tile=tile,
            overlap=overlap,
            batch=batch,
            seed=seed,
            others=others,
            progress=progress,
        )
    typer.echo(f"{len(result.written)} of {len(result.written) + len(result.failed)} pictures in {shown(output)}")
    if result.failed:
        listing = "; ".join(f"{shown(path)}: {reason}" for path, reason in result.failed[:10])
        more = f"; and {len(result.failed) - 10} more" if len(result.failed) > 10 else ""
        raise DataError(
            f"{len(result.failed)} pictures could not be translated: {listing}{more}",
            fix="replace or remove them, then run the same command again",
        )


def _others(translator: Translator, label: int | None, settings: list[str], pictures: list[str]) -> dict[str, Any]:
    """The inputs besides the pictures to translate, by name.

    Raises:
        UsageError: One has another form than its input takes, or the file has no such input.
    """
    from translate.sampling.request import Request, read_settings

    others: dict[str, Any] = {}
    request = Request(label=label, settings=settings)
    for target, value in read_settings(translator.inputs, request, str(translator.file)):
        if target.element is not None:
            raise UsageError(f"--set: '{target}' is an element; whole values are set here", fix="translate sample")
        others[target.name] = value
    for word in pictures:
        name, equals, place = word.partition("=")
        if not equals:
            raise UsageError(f"--input: which input is '{word}' for?", fix=f"--input NAME={word}")
        others[name] = place
    return others


@contextmanager
def _shown_progress(count: int) -> Iterator[Callable[[Path, Path | None, str], None]]:
    """A bar on a terminal, one line for each picture otherwise; failures are lines in both."""
    from translate.pictures import shown

    if not sys.stdout.isatty():

        def line(path: Path, place: Path | None, reason: str) -> None:
            typer.echo(f"{shown(path)} -> {shown(place)}" if place else f"{shown(path)}: failed: {reason}")

        yield line
        return

    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console()) as bar:
        task = bar.add_task("translating", total=count)

        def advance(path: Path, place: Path | None, reason: str) -> None:
            if place is None:
                bar.console.print(f"{shown(path)}: failed: {reason}", markup=False, highlight=False)
            bar.advance(task)

        yield advance
