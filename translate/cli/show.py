"""`translate show`: the resolved pipeline as YAML, or the game as a drawing."""

from __future__ import annotations

import re
import shutil
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from translate.drawing.facts import Drawing


class Form(StrEnum):
    """Forms of a drawing."""

    TEXT = "text"
    MERMAID = "mermaid"
    SVG = "svg"


def command(
    pipeline: Annotated[str, typer.Argument(help="Name of a shipped pipeline, or path of a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings as key=value.", metavar="[KEY=VALUE]...")
    ] = None,
    *,
    graph: Annotated[bool, typer.Option("--graph", help="Draw the game instead of printing YAML.")] = False,
    form: Annotated[Form | None, typer.Option("--format", help="Form of the drawing; implies --graph.")] = None,
    ascii_only: Annotated[bool, typer.Option("--ascii", help="Draw text without characters outside ASCII.")] = False,
) -> None:
    """Print a pipeline with every default filled in, or draw its game. The data need not be there.

    `translate show pix2pix > my.yaml` is a file that loads again; `--format svg > game.svg` is a picture.
    """
    from translate.pipeline import load_pipeline

    loaded = load_pipeline(pipeline, overrides or [], complete=False)
    if not (graph or form):
        from translate.pipeline.dumping import dump

        _write(dump(loaded.resolved))
        return

    from translate.drawing import draw

    drawing = draw(loaded)
    if form is Form.MERMAID:
        from translate.drawing.graph import mermaid

        _write(mermaid(drawing))
    elif form is Form.SVG:
        from translate.drawing.svg import svg

        _write(svg(drawing))
    else:
        _show_text(drawing, ascii_only=ascii_only)


def _write(text: str) -> None:
    """Write a file's content to stdout, in UTF-8 whatever the terminal speaks: that is what reads it back."""
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None or sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    sys.stdout.flush()
    stream.write(text.encode("utf-8"))


def _show_text(drawing: Drawing, *, ascii_only: bool) -> None:
    from translate.drawing.text import WIDTH, text_drawing

    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else WIDTH
    text = text_drawing(drawing, ascii_only=ascii_only, width=width)
    if not ascii_only and not _can_print(text):
        text = text_drawing(drawing, ascii_only=True, width=width)
    if not on_terminal:
        typer.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.text import Text

    coloured = Text(text, end="")
    for pattern, style in _styles(drawing):
        coloured.highlight_regex(pattern, style)
    Console().print(coloured, soft_wrap=True, end="")


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _styles(drawing: Drawing) -> list[tuple[str, str]]:
    """What is coloured how: names of networks by kind, losses, headings; boxes and sizes stand back."""
    styles = [(r"[─│╭╮╰╯├▶▼]+", "dim"), (r"(?m)^[A-Z ]{4,}$", "bold"), (r"\d+(×\d+)+", "dim")]
    for kind, style in (("generator", "bold green"), ("discriminator", "bold yellow")):
        names = "|".join(re.escape(network.name) for network in drawing.networks if network.kind == kind)
        styles += [(rf"\b({names})\b", style)] if names else []
    terms = "|".join(dict.fromkeys(re.escape(term.name) for phase in drawing.phases for term in phase.terms))
    styles += [(rf"(?m)^  ({terms})(?=  )|(?<=[=+×] )({terms})\b", "cyan")] if terms else []
    return [*styles, (r"[●◐]", "bold"), (r"[○◌]", "dim")]
