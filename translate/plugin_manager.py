"""Finding and loading plugins: one by one, sorted, isolated, blockable before import.

pluggy's own loader stops at the first plugin that cannot be imported and does not say whose it is. This one records
each failure with distribution, version and cause, and goes on.

A plugin is called by the name of its entry point. Where several distributions chose the same name, each is called
`distribution:name`, so that all of them work and none depends on the order of installation; the families of this
project keep their plain names.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from typing import Final, TypeVar

import pluggy

from translate import __version__, hookspecs
from translate.components import (
    OWN_DISTRIBUTION,
    Catalogue,
    Command,
    Component,
    Entry,
    Provider,
    ShippedPipeline,
    sorted_catalogue,
)
from translate.errors import PluginError

ENTRY_POINT_GROUP: Final = "translate"
DISABLE_VARIABLE: Final = "TRANSLATE_DISABLE"
SLOW: Final = 3.0  # seconds for the import of one plugin, from which on it is said

log = logging.getLogger(__name__)

_R = TypeVar("_R", Component, ShippedPipeline, Command)


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """One plugin as `translate plugins` shows it.

    Attributes:
        provider: Name, distribution and version.
        state: `loaded`, `disabled` or `failed`.
        components: Qualified kind and name of what it supplies.
        cause: Why it failed, else empty.
        seconds: How long its import took.
    """

    provider: Provider
    state: str
    components: tuple[str, ...] = ()
    cause: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Records:
    """What the three record hooks of one plugin returned."""

    components: list[Component]
    pipelines: list[ShippedPipeline]
    commands: list[Command]

    def labels(self) -> list[str]:
        return [
            *(f"{component.kind} {component.name}" for component in self.components),
            *(f"pipeline {pipeline.name}" for pipeline in self.pipelines),
            *(f"command {command.name}" for command in self.commands),
        ]


class PluginManager:
    """The plugins of one process (or of one test), and the catalogue of what they supply.

    Args:
        disabled: Names of plugins that are not imported at all. An entry point's name disables it in every
            distribution, `distribution:name` in that one.
        strict: Re-raise the first failure instead of recording it.
    """

    def __init__(self, *, disabled: Iterable[str] = (), strict: bool = False) -> None:
        self._manager = _new_manager()
        self._disabled = frozenset(disabled)
        self._strict = strict
        self._statuses: list[PluginStatus] = []
        self._entries: list[Entry] = []
        self._pipelines: list[tuple[ShippedPipeline, Provider]] = []
        self._commands: list[tuple[Command, Provider]] = []
        self._catalogue: Catalogue | None = None

    @property
    def hook(self) -> pluggy.HookRelay:
        """The event hooks."""
        return self._manager.hook

    @property
    def statuses(self) -> Sequence[PluginStatus]:
        """All plugins that were found, loaded or not."""
        return tuple(self._statuses)

    @property
    def commands(self) -> Sequence[tuple[Command, Provider]]:
        """Commands that plugins add to the command line."""
        return tuple(self._commands)

    @property
    def catalogue(self) -> Catalogue:
        """What the loaded plugins supply."""
        if self._catalogue is None:
            failed = [
                f"{status.provider.distribution} {status.provider.version} ({status.cause})"
                for status in self._statuses
                if status.state == "failed"
            ]
            names = [str(status.provider) for status in self._statuses if status.state == "failed"]
            self._catalogue = sorted_catalogue(self._entries, self._pipelines, failed, names)
        return self._catalogue

    def load_entry_points(self, entry_points: Iterable[metadata.EntryPoint] | None = None) -> None:
        """Load every installed plugin of the group, sorted by name and distribution."""
        found = list(metadata.entry_points(group=ENTRY_POINT_GROUP) if entry_points is None else entry_points)
        claims = Counter(entry_point.name for entry_point in found)
        for entry_point in sorted(found, key=lambda e: (e.name, e.dist.name if e.dist else "", e.value)):
            provider = _provider(entry_point, shared=claims[entry_point.name] > 1)
            if self._disabled & {entry_point.name, provider.plugin, f"{provider.distribution}:{entry_point.name}"}:
                self._add_status(PluginStatus(provider, "disabled"))
            elif misfit := _needs_another_version(entry_point):
                self._fail(provider, PluginError(misfit))
            else:
                self._guarded(entry_point.load, provider)

    def register(self, plugin: object, *, name: str, distribution: str = "(this process)", version: str = "-") -> None:
        """Register a plugin object directly, as tests and applications do. Failures are raised."""
        self._load(plugin, Provider(name, distribution, version))

    def for_run(self, observers: Iterable[object]) -> pluggy.PluginManager:
        """All plugins and the given observers, for the events of one run.

        Observers are registered in a manager of their own, so that a second run in this process does not see them.

        Raises:
            PluginError: An observer implements a hook that does not exist, or with arguments that it does not have.
        """
        manager = _new_manager()
        for name, plugin in self._manager.list_name_plugin():
            manager.register(plugin, name=name)
        for observer in observers:
            try:
                manager.register(observer)
                manager.check_pending()
            except (pluggy.PluginValidationError, ValueError) as exc:
                kind = type(observer)
                raise PluginError(
                    f"observer {kind.__name__} cannot be used: {_one_line(exc)}",
                    where=kind.__module__,
                    fix="compare its methods with the hooks in translate/hookspecs.py",
                ) from exc
        return manager

    def alone(self, listener: object) -> pluggy.HookRelay:
        """The hooks of one plugin or observer alone."""
        manager = _new_manager()
        manager.register(listener)
        return manager.hook

    def provider_of(self, modules: Container[str]) -> Provider | None:
        """The loaded plugin whose hooks are in one of some modules: to say whose hook an exception came from."""
        providers = {status.provider.plugin: status.provider for status in self._statuses}
        for name, plugin in self._manager.list_name_plugin():
            if getattr(plugin, "__name__", type(plugin).__module__) in modules and name in providers:
                return providers[name]
        return None

    def _guarded(self, load: Callable[[], object], provider: Provider) -> None:
        try:
            # What a plugin prints while it is imported must not end up in the output of a command.
            with contextlib.redirect_stdout(sys.stderr):
                started = time.perf_counter()
                self._load(load(), provider)
                self._statuses[-1] = replace(self._statuses[-1], seconds=time.perf_counter() - started)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001  # a plugin may raise anything, SystemExit included
            self._fail(provider, exc)

    def _fail(self, provider: Provider, exc: BaseException) -> None:
        if self._strict:
            raise exc
        cause = _one_line(exc) if isinstance(exc, PluginError) else f"{type(exc).__name__}: {_one_line(exc)}"
        self._add_status(PluginStatus(provider, "failed", cause=cause))

    def _load(self, plugin: object, provider: Provider) -> None:
        if inspect.isclass(plugin):
            msg = f"the plugin must be a module or an object, not the class {plugin.__name__}"
            raise TypeError(msg)
        for status in self._statuses:
            if status.provider.plugin == provider.plugin and status.state == "loaded":
                msg = f"a plugin of the name '{provider.plugin}' is loaded already, from {status.provider.distribution}"
                raise ValueError(msg)
        try:
            self._manager.register(plugin, name=provider.plugin)
            self._manager.check_pending()
            _refuse_unmarked(self._manager, plugin)
            records = self._collect(provider.plugin)
        except BaseException:
            # pluggy may have registered half of it before it raised.
            if self._manager.get_plugin(provider.plugin) is not None:
                self._manager.unregister(name=provider.plugin)
            raise
        self._entries += [Entry(component, provider) for component in records.components]
        self._pipelines += [(pipeline, provider) for pipeline in records.pipelines]
        self._commands += [(command, provider) for command in records.commands]
        self._add_status(PluginStatus(provider, "loaded", tuple(records.labels())))

    def _collect(self, plugin_name: str) -> _Records:
        records = _Records(
            self._returned(plugin_name, "translate_components", Component),
            self._returned(plugin_name, "translate_pipelines", ShippedPipeline),
            self._returned(plugin_name, "translate_commands", Command),
        )
        for label, count in Counter(records.labels()).items():
            if count > 1:
                kind, _, name = label.partition(" ")
                msg = f"{kind} '{name}' is supplied twice by this plugin"
                raise ValueError(msg)
        return records

    def _returned(self, plugin_name: str, hook: str, record: type[_R]) -> list[_R]:
        result: list[_R] = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name == plugin_name:
                result += implementation.function() or ()  # exhausts a generator here, inside the guard
        for item in result:
            if not isinstance(item, record):
                msg = f"{hook} must return {record.__name__} records (got {item!r})"
                raise TypeError(msg)
        return result

    def _add_status(self, status: PluginStatus) -> None:
        self._statuses.append(status)
        self._catalogue = None


def _needs_another_version(entry_point: metadata.EntryPoint) -> str:
    """What a plugin's distribution asks of this one in its metadata, if this one is not it; nothing is imported."""
    for line in (entry_point.dist.requires or ()) if entry_point.dist is not None else ():
        if not line.lower().replace("_", "-").startswith(OWN_DISTRIBUTION):
            continue
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        named = wanted.name.lower().replace("_", "-") == OWN_DISTRIBUTION
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if named and applies and not wanted.specifier.contains(__version__, prereleases=True):
            return f"it needs {OWN_DISTRIBUTION} {wanted.specifier}, this is {__version__}"
    return ""


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("translate")
    manager.add_hookspecs(hookspecs)
    return manager


def _provider(entry_point: metadata.EntryPoint, *, shared: bool) -> Provider:
    distribution, version = "unknown", "unknown"
    if entry_point.dist is not None:
        distribution, version = entry_point.dist.name or "unknown", entry_point.dist.version
    name = entry_point.name
    if shared and distribution != OWN_DISTRIBUTION:
        name = f"{distribution}:{name}"
    return Provider(name, distribution, version)


def _refuse_unmarked(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse hooks without our marker: pluggy ignores them, and those with another project's marker, without a word."""
    callers = manager.get_hookcallers(plugin) or []
    marked = {caller.name for caller in callers}
    for name in dir(hookspecs):
        if name.startswith("translate_") and name not in marked and callable(getattr(plugin, name, None)):
            msg = f"{name} is not marked with @translate.hookimpl"
            raise TypeError(msg)


def _one_line(exc: BaseException) -> str:
    return " ".join(str(exc).split())


def disabled_by_environment() -> frozenset[str]:
    """Plugin names in the environment variable `TRANSLATE_DISABLE`, separated by commas."""
    return frozenset(name.strip() for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip())


def default_manager() -> PluginManager:
    """The manager of this process: all installed plugins, less those that `TRANSLATE_DISABLE` names."""
    return _manager_without(disabled_by_environment())


@lru_cache(maxsize=1)
def _manager_without(disabled: frozenset[str]) -> PluginManager:
    manager = PluginManager(disabled=disabled)
    manager.load_entry_points()
    for status in manager.statuses:
        if status.state == "failed":
            log.warning("plugin %s was not loaded (%s); everything else works", status.provider, status.cause)
        elif status.seconds > SLOW:
            how = f"--disable {status.provider.plugin}"
            log.warning("plugin %s took %.1f s to import; `%s` leaves it out", status.provider, status.seconds, how)
    return manager
