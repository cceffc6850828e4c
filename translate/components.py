"""Components: the records that plugins return, and the immutable catalogue of what was found.

Nothing here imports torch: a component names its implementation by a string, `package.module:attribute`, which is
imported when the component is built, described or checked, and never to list it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, get_args

from translate.errors import PluginError, did_you_mean
from translate.signatures import Schema, read_schema

Kind = Literal[
    "generator", "discriminator", "parametrization", "loss", "operation", "latent", "dataset", "schedule", "metric",
    "observer",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

OWN_DISTRIBUTION: Final = "translate-images"

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_WORD = re.compile(r"[a-z][a-z0-9_-]*\Z")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """What a plugin supplies: a named factory.

    Attributes:
        kind: One of `KINDS`.
        name: Lower case, digits and underscores.
        target: `package.module:attribute` of the factory. Its signature is its schema (see `translate.signatures`).
        summary: One line for listings.
    """

    kind: Kind
    name: str
    target: str
    summary: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            msg = f"component '{self.name}': kind must be one of {', '.join(KINDS)} (got {self.kind!r})"
            raise ValueError(msg)
        if not _NAME.match(self.name):
            msg = f"component name must be lower-case letters, digits and underscores (got {self.name!r})"
            raise ValueError(msg)
        if not _TARGET.match(self.target):
            msg = f"component '{self.name}': target must be 'package.module:attribute' (got {self.target!r})"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShippedPipeline:
    """A pipeline file inside a plugin's package, available by its bare name.

    Attributes:
        name: The name users write, as in `translate train pix2pix`: lower case, digits, `_` and `-`.
        package: The import package that holds the file.
        file: The file's name inside the package, as `pix2pix.yaml`.
        summary: One line for listings.
    """

    name: str
    package: str
    file: str
    summary: str

    def __post_init__(self) -> None:
        if not _WORD.match(self.name):
            msg = f"pipeline name must be lower-case letters, digits, '_' and '-' (got {self.name!r})"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command that a plugin adds to the command line.

    Attributes:
        name: The word after `translate`: lower case, digits, `_` and `-`.
        target: `package.module:attribute` of a function that Typer can turn into a command.
        summary: One line for `translate --help`.
    """

    name: str
    target: str
    summary: str

    def __post_init__(self) -> None:
        if not _WORD.match(self.name):
            msg = f"command name must be lower-case letters, digits, '_' and '-' (got {self.name!r})"
            raise ValueError(msg)
        if not _TARGET.match(self.target):
            msg = f"command '{self.name}': target must be 'package.module:attribute' (got {self.target!r})"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Provider:
    """Who supplied something: the plugin (entry point), its distribution and version."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.plugin} ({self.distribution} {self.version})"


@dataclass(frozen=True)
class Entry:
    """A component together with its provenance."""

    component: Component
    provider: Provider

    @property
    def kind(self) -> Kind:
        """The component's kind."""
        return self.component.kind

    @property
    def name(self) -> str:
        """The component's bare name."""
        return self.component.name

    @property
    def qualified_name(self) -> str:
        """`plugin/name`, valid also where the bare name clashes."""
        return f"{self.provider.plugin}/{self.component.name}"

    @cached_property
    def factory(self) -> Any:
        """Import and return the factory.

        Raises:
            PluginError: It cannot be imported; names the distribution, its version and the cause.
        """
        return load_target(self.component.target, f"{self.kind} '{self.name}'", self.provider)

    @cached_property
    def schema(self) -> Schema:
        """What the factory takes, read from its signature.

        Raises:
            PluginError: The signature is not one that a component may have.
        """
        try:
            return read_schema(self.kind, self.factory)
        except TypeError as exc:
            raise PluginError(
                f"{self.kind} '{self.name}' has a signature that cannot be used: {exc}",
                where=str(self.provider),
                fix=f"report this to the authors of {self.provider.distribution}",
            ) from exc


def load_target(target: str, what: str, provider: Provider) -> Any:
    """Import `package.module:attribute`, turning whatever goes wrong into a `PluginError` that names the plugin."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        raise PluginError(
            f"{what} cannot be imported ({type(exc).__name__}: {exc})",
            where=f"{target}, from {provider}",
            fix=f"check that {provider.distribution} {provider.version} fits this version, or reinstall it",
        ) from exc


class PluginLookupError(LookupError):
    """A component cannot be looked up because of the plugins that are, or are not, installed."""


@dataclass(frozen=True)
class Catalogue:
    """Everything that the loaded plugins supply. Built once by the plugin manager, then immutable.

    Attributes:
        entries: All components, sorted by kind, name and plugin.
        pipelines: Shipped pipelines with their providers, by the name under which they can be used: bare, or
            `plugin/name` where two plugins ship the bare one.
        not_loaded: One line for each plugin that failed, shown in errors about unknown names.
        failed: The plugins that failed, as `plugin (distribution version)`.
    """

    entries: tuple[Entry, ...] = ()
    pipelines: Mapping[str, tuple[ShippedPipeline, Provider]] = field(default_factory=dict)
    not_loaded: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    def of_kind(self, kind: str) -> list[Entry]:
        """All components of a kind, by name."""
        return [entry for entry in self.entries if entry.kind == kind]

    def names(self, kind: str) -> list[str]:
        """The names under which the components of a kind can be used: bare, or qualified where the bare one clashes."""
        entries = self.of_kind(kind)
        bare = [entry.name for entry in entries]
        return [entry.name if bare.count(entry.name) == 1 else entry.qualified_name for entry in entries]

    def find(self, kind: str, name: str) -> Entry:
        """Look a component up by its bare or qualified name.

        Raises:
            LookupError: No such component. The message says what exists, did-you-mean, and which plugins were not
                loaded.
            PluginLookupError: The bare name is supplied by two plugins, or a plugin that was not loaded may have it.
        """
        candidates = self.of_kind(kind)
        if "/" in name:
            found = [entry for entry in candidates if entry.qualified_name == name]
        else:
            found = [entry for entry in candidates if entry.name == name]
        if len(found) == 1:
            return found[0]
        if found:
            either = " or ".join(f"'{entry.qualified_name}'" for entry in found)
            providers = " and ".join(str(entry.provider) for entry in found)
            msg = f"{kind} '{name}' is supplied by {providers}. Write {either}, or disable one of the plugins."
            raise PluginLookupError(msg)
        raise self._unknown(kind, name)

    def find_pipeline(self, name: str) -> tuple[ShippedPipeline, Provider]:
        """Look a shipped pipeline up by its bare or qualified name.

        Raises:
            LookupError: As for `find`.
        """
        if name in self.pipelines:
            return self.pipelines[name]
        found = [
            (f"{provider.plugin}/{shipped.name}", (shipped, provider)) for shipped, provider in self.pipelines.values()
        ]
        for qualified_name, pipeline in found:
            if qualified_name == name:
                return pipeline
        clashing = [(qualified_name, pipeline) for qualified_name, pipeline in found if pipeline[0].name == name]
        if clashing:
            providers = " and ".join(str(provider) for _, (_, provider) in clashing)
            either = " or ".join(f"'{qualified_name}'" for qualified_name, _ in clashing)
            msg = f"pipeline '{name}' is shipped by {providers}. Write {either}, or disable one of the plugins."
            raise PluginLookupError(msg)
        raise LookupError(self._not_found("pipeline", name, list(self.pipelines)))

    def _may_be_missing(self, name: str, names: Iterable[str]) -> bool:
        """Whether a name that nobody has may be that of a plugin which was not loaded: one is named so, or no slip."""
        plugin = name.partition("/")[0] if "/" in name else None
        if plugin is not None and any(status.startswith(f"{plugin} (") for status in self.failed):
            return True
        return bool(self.not_loaded) and not did_you_mean(name, names)

    def _unknown(self, kind: str, name: str) -> LookupError:
        names = self.names(kind)
        if "/" in name:
            names = [entry.qualified_name for entry in self.of_kind(kind)]
        elsewhere = [entry.kind for entry in self.entries if entry.name == name]
        hint = f" There is {_article(elsewhere[0])} {elsewhere[0]} of this name." if elsewhere else ""
        message = self._not_found(kind, name, names, hint)
        if elsewhere or not self._may_be_missing(name, names):
            return LookupError(message)
        distributions = " ".join(dict.fromkeys(line.partition(" ")[0] for line in self.not_loaded))
        message += f" If it is from there, mend that first: `pip install --force-reinstall {distributions}`."
        return PluginLookupError(message)

    def _not_found(self, kind: str, name: str, names: list[str], hint: str = "") -> str:
        message = f"'{name}' is not {_article(kind)} {kind}.{did_you_mean(name, names)}{hint}"
        message += f" Available: {', '.join(names) or 'none'}."
        if self.not_loaded:
            message += f" Not loaded: {'; '.join(self.not_loaded)}."
        return message


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def sorted_catalogue(
    entries: Iterable[Entry],
    pipelines: Iterable[tuple[ShippedPipeline, Provider]] = (),
    not_loaded: Iterable[str] = (),
    failed: Iterable[str] = (),
) -> Catalogue:
    """Build the catalogue in an order that does not depend on installation order."""
    ordered = sorted(entries, key=lambda e: (KINDS.index(e.kind), e.name, e.provider.plugin, e.provider.distribution))
    shipped = list(pipelines)
    bare = [pipeline.name for pipeline, _ in shipped]
    named = {
        pipeline.name if bare.count(pipeline.name) == 1 else f"{provider.plugin}/{pipeline.name}": (pipeline, provider)
        for pipeline, provider in shipped
    }
    return Catalogue(tuple(ordered), dict(sorted(named.items())), tuple(not_loaded), tuple(failed))
