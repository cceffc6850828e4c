"""The table of commands: what `translate --help` lists.

To add a command, write `translate/cli/NAME.py` with a function `command` that Typer understands, and add a line here.
A module has the name of its command, `_` for `-`, except `listing`: a module `list` would hide the builtin.
Plugins add theirs with the hook `translate_commands`; both kinds are the same record and are imported when called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from translate.components import Command, Provider
from translate.plugin_manager import default_manager

COMMANDS: Final = (
    Command(name="demo", target="translate.cli.demo:command", summary="Train a small model, export it, use it."),
    Command(name="train", target="translate.cli.train:command", summary="Train a pipeline, or go on where it stopped."),
    Command(name="export", target="translate.cli.export:command", summary="Write a run's model as an ONNX file."),
    Command(
        name="import-weights",
        target="translate.cli.import_weights:command",
        summary="Make a safetensors file of .pth weights.",
    ),
    Command(name="run", target="translate.cli.run:command", summary="Translate pictures with an exported file."),
    Command(name="sample", target="translate.cli.sample:command", summary="Draw latents, make pictures of them."),
    Command(name="evaluate", target="translate.cli.evaluate:command", summary="Measure a run on held-out data."),
    Command(name="inspect", target="translate.cli.inspect:command", summary="Show what a run or a file holds."),
    Command(name="check", target="translate.cli.check:command", summary="Check a pipeline without starting anything."),
    Command(name="show", target="translate.cli.show:command", summary="Print a pipeline with every default filled in."),
    Command(name="list", target="translate.cli.listing:command", summary="List components and pipelines."),
    Command(name="describe", target="translate.cli.describe:command", summary="Explain one component or pipeline."),
    Command(name="plugins", target="translate.cli.plugins:command", summary="List plugins, failures with their cause."),
    Command(name="schema", target="translate.cli.schema:command", summary="Print the JSON Schema of pipeline files."),
)


def all_commands() -> Mapping[str, tuple[Command, Provider | None]]:
    """Every command by the name it is called with; the provider is `None` for those of the table.

    A plugin's command is called by its bare name where that is free, else by `plugin/name`.
    """
    found: dict[str, tuple[Command, Provider | None]] = {command.name: (command, None) for command in COMMANDS}
    from_plugins = default_manager().commands
    names = [command.name for command, _ in from_plugins] + list(found)
    for command, provider in from_plugins:
        name = command.name if names.count(command.name) == 1 else f"{provider.plugin}/{command.name}"
        found[name] = (command, provider)
    return found
