"""The Typer application: global options, and commands that are imported when they are called."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from translate import __version__
from translate.cli.commands import COMMANDS, all_commands
from translate.components import Command, Provider, load_target
from translate.errors import PluginError, UsageError, did_you_mean
from translate.plugin_manager import DISABLE_VARIABLE, ENTRY_POINT_GROUP


@dataclass
class Invocation:
    """What the error handling needs to know about the call in progress.

    Attributes:
        debug: Show tracebacks.
        provider: Who supplied the command that runs, `None` for a built-in one.
    """

    debug: bool = False
    provider: Provider | None = None


class LazyCommand(TyperCommand):
    """Stands in help for a command that is imported only when it is called.

    Args:
        name: The word after `translate`.
        command: Where the command is and what it does.
        provider: The plugin that supplies it, `None` for a built-in command.
    """

    def __init__(self, name: str, command: Command, provider: Provider | None) -> None:
        origin = f" (from {provider})" if provider else ""
        super().__init__(name, help=f"{command.summary}{origin}", short_help=f"{command.summary}{origin}")
        self.record = command
        self.provider = provider

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command and hand over to it."""
        if parent is not None and isinstance(parent.obj, Invocation):
            parent.obj.provider = self.provider
        return self._real().make_context(info_name, args, parent=parent, **extra)

    def _real(self) -> Any:
        if self.provider is None:
            module, _, attribute = self.record.target.partition(":")
            return _as_command(self.record, getattr(importlib.import_module(module), attribute))
        function = load_target(self.record.target, f"command '{self.record.name}'", self.provider)
        try:
            return _as_command(self.record, function)
        except Exception as exc:  # Typer meets a plugin's signature here for the first time
            raise PluginError(
                f"command '{self.record.name}' has a signature that Typer cannot use ({type(exc).__name__}: {exc})",
                where=f"{self.record.target}, from {self.provider}",
                fix=f"report this to the authors of {self.provider.distribution}",
            ) from exc


def _as_command(record: Command, function: Callable[..., Any]) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(record.name, help=None if function.__doc__ else record.summary)(function)
    return typer.main.get_command(app)


class Commands(TyperGroup):
    """The root command. Plugins are looked for only when help or a word outside the table asks for them."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, those of plugins last."""
        return list(all_commands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or `None`."""
        for command in COMMANDS:
            if command.name == cmd_name:
                return LazyCommand(cmd_name, command, None)
        found = all_commands().get(cmd_name)
        return LazyCommand(cmd_name, *found) if found else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first word names.

        Raises:
            UsageError: There is none; says which was probably meant.
        """
        found = self.get_command(ctx, args[0])
        if found is None:
            names = self.list_commands(ctx)
            msg = f"no such command: '{args[0]}'.{did_you_mean(args[0], names)} Commands: {', '.join(names)}."
            raise UsageError(msg, fix="translate --help")
        return args[0], found, args[1:]


def _disable(names: list[str]) -> list[str]:
    known = {entry_point.name for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP)}
    for name in names:
        if name.rpartition(":")[2] not in known:
            msg = f"--disable: no plugin '{name}' is installed.{did_you_mean(name, known)}"
            raise UsageError(msg, fix="translate plugins")
    # By way of the environment, so that data workers and the processes of other devices leave the same plugins out.
    before = [os.environ[DISABLE_VARIABLE]] if os.environ.get(DISABLE_VARIABLE) else []
    if names:
        os.environ[DISABLE_VARIABLE] = ",".join([*before, *names])
    return names


def _show_version(*, value: bool) -> None:
    if value:
        typer.echo(f"translate-images {__version__}")
        raise typer.Exit


def build_app(invocation: Invocation) -> Any:
    """The root command, ready to make a context and be invoked."""
    app = typer.Typer(
        cls=Commands,
        add_completion=False,
        rich_markup_mode=None,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def root(
        context: typer.Context,
        *,
        disable: Annotated[
            list[str],
            typer.Option(help="Leave this plugin out (repeatable).", metavar="NAME", callback=_disable, is_eager=True),
        ] = [],  # noqa: B006  Typer reads it and hands over a new list
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
        version: Annotated[
            bool,
            typer.Option(
                "--version",
                help="Show the version and exit.",
                callback=lambda value: _show_version(value=value),
                is_eager=True,
            ),
        ] = False,
    ) -> None:
        """Image-to-image translation with GANs: train pipelines, export them to ONNX, translate pictures."""
        del disable, version  # their callbacks have acted
        invocation.debug = debug
        context.obj = invocation
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return typer.main.get_command(app)
