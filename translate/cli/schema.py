"""`translate schema`."""

from __future__ import annotations

import json

import typer


def command() -> None:
    """Print the JSON Schema of pipeline files, for completion and checking in editors."""
    from translate.pipeline import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
