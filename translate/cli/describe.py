"""`translate describe KIND NAME`."""

from __future__ import annotations

import textwrap
from importlib import resources
from typing import Annotated

import typer

from translate.cli.listing import kind_of
from translate.components import Entry
from translate.errors import PluginError, UsageError
from translate.plugin_manager import default_manager
from translate.signatures import Choice, type_text, value_text


def command(
    kind: Annotated[str, typer.Argument(help="A kind of component, or `pipeline`.")],
    name: Annotated[str, typer.Argument(help="The name that `translate list` shows.")],
) -> None:
    """Explain one component (what it takes, every parameter) or show one shipped pipeline."""
    wanted = kind_of(kind)
    catalogue = default_manager().catalogue
    try:
        if wanted == "pipeline":
            _describe_pipeline(name)
        else:
            _describe_component(catalogue.find(wanted, name))
    except LookupError as exc:
        raise UsageError(str(exc), fix=f"translate list {wanted}") from exc


def _describe_component(entry: Entry) -> None:
    schema = entry.schema
    typer.echo(f"{entry.kind} {entry.name}: {entry.component.summary}")
    if schema.summary and schema.summary != entry.component.summary:
        typer.echo(textwrap.fill(schema.summary, 100))
    typer.echo(f"\nprovider: {entry.provider}, also called {entry.qualified_name}")
    if schema.provided:
        typer.echo(f"receives from the pipeline: {', '.join(schema.provided)}")
    for side, names in schema.sides.items():
        shown = ", ".join(name if schema.expressions[name] else f"{name} (optional)" for name in names)
        typer.echo(f"expressions{'' if side in {'both', 'update'} else f' of the {side} side'}: {shown or 'none'}")
    typer.echo("\nparameters:" if schema.choices else "\nparameters: none")
    for choice in schema.choices:
        typer.echo(f"  {choice.name}: {_type_and_default(choice)}")
        if choice.description:
            typer.echo(textwrap.fill(choice.description, 100, initial_indent="      ", subsequent_indent="      "))


def _type_and_default(choice: Choice) -> str:
    kind = "expression, of which the spec is taken" if choice.takes_spec else type_text(choice.annotation)
    return f"{kind}, required" if choice.required else f"{kind}, default {value_text(choice.default)}"


def _describe_pipeline(name: str) -> None:
    shipped, provider = default_manager().catalogue.find_pipeline(name)
    try:
        text = resources.files(shipped.package).joinpath(shipped.file).read_text(encoding="utf-8")
    except (OSError, ImportError) as exc:
        raise PluginError(
            f"pipeline '{name}' cannot be read ({type(exc).__name__}: {exc})",
            where=f"{shipped.package}/{shipped.file}, from {provider}",
            fix=f"reinstall {provider.distribution}",
        ) from exc
    typer.echo(f"# pipeline {name}: {shipped.summary}")
    typer.echo(f"# provider: {provider}, file {shipped.package}/{shipped.file}\n")
    typer.echo(text.rstrip())
