"""Plain columns for listings: easy to read, easy to cut with other tools."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

import typer


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headings; on a terminal the last column wraps, in a pipe every row is one line."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings) - 1)]
    left = sum(widths) + 2 * len(widths)
    room = max(shutil.get_terminal_size().columns - left, 20) if sys.stdout.isatty() else None
    for row in (headings, *rows):
        start = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths, strict=False))
        lines = textwrap.wrap(row[-1], room) if room else [row[-1]]
        typer.echo((start + (lines[0] if lines else "")).rstrip())
        for line in lines[1:]:
            typer.echo(" " * left + line)
