"""`translate plugins`."""

from __future__ import annotations

import typer

from translate.cli.tables import print_table
from translate.plugin_manager import PluginStatus, default_manager


def command() -> None:
    """List the plugins that were found, with what they supply; failed ones with the cause."""
    statuses = default_manager().statuses
    headings = ("PLUGIN", "DISTRIBUTION", "VERSION", "STATE", "COMPONENTS")
    print_table(headings, [_row(status) for status in statuses])
    failed = [status for status in statuses if status.state == "failed"]
    if failed:
        typer.echo(f"\n{len(failed)} of {len(statuses)} plugins could not be loaded; everything else works.")


def _row(status: PluginStatus) -> tuple[str, ...]:
    provider = status.provider
    what = status.cause if status.state == "failed" else ", ".join(status.components)
    return (provider.plugin, provider.distribution, provider.version, status.state, what)
