"""A command."""

from __future__ import annotations

from typing import Annotated

import typer


def greet(name: Annotated[str, typer.Argument(help="Whom to greet.")] = "world") -> None:
    """Greet someone."""
    typer.echo(f"Hello {name}, from a plugin.")
