"""`translate list [KIND]`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from translate.cli.tables import print_table
from translate.components import KINDS
from translate.errors import UsageError, did_you_mean
from translate.plugin_manager import default_manager

_PLURALS: Final[dict[str, str]] = {
    **{str(kind): f"{kind}s" for kind in KINDS},
    "loss": "losses",
    "pipeline": "pipelines",
}


def command(
    kind: Annotated[str | None, typer.Argument(help=f"One of {', '.join(_PLURALS)}; all when left out.")] = None,
) -> None:
    """List the components and pipelines that plugins supply: name, kind, provider, summary."""
    wanted = list(_PLURALS) if kind is None else [kind_of(kind)]
    catalogue = default_manager().catalogue
    rows = []
    for each in wanted:
        if each == "pipeline":
            rows += [
                (name, each, str(provider), shipped.summary)
                for name, (shipped, provider) in catalogue.pipelines.items()
            ]
        else:
            entries = zip(catalogue.names(each), catalogue.of_kind(each), strict=True)
            rows += [(name, each, str(entry.provider), entry.component.summary) for name, entry in entries]
    if rows:
        print_table(("NAME", "KIND", "PROVIDER", "SUMMARY"), rows)
    else:
        typer.echo(f"No {_PLURALS[wanted[0]]} are installed." if kind else "Nothing is installed.")


def kind_of(word: str) -> str:
    """The kind that a word names, in singular or plural.

    Raises:
        UsageError: There is no such kind.
    """
    for kind, plural in _PLURALS.items():
        if word.lower() in {kind, plural}:
            return kind
    near = did_you_mean(word, [*_PLURALS, *_PLURALS.values()])
    msg = f"there is no kind '{word}'.{near} Kinds: {', '.join(_PLURALS)}."
    raise UsageError(msg, fix="translate list")
