"""Which plugin a pipeline misses: read from what an earlier run or a checkpoint recorded about its components."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from translate.components import Catalogue, Provider
from translate.errors import PipelineError, PluginError

RECORD: Final = "manifest.json"
MAX_RECORD: Final = 2**20

# As `describe_run` in `translate.training.run` writes them. What is not so is not repeated in a command to be copied.
_LINE = re.compile(
    r"(?P<kind>[a-z]+) (?P<name>[a-z][a-z0-9_]*): (?P<plugin>[\w.:-]+) "
    r"\((?P<distribution>[A-Za-z0-9][A-Za-z0-9._-]*) (?P<version>[A-Za-z0-9.+!_-]+)\)\Z"
)
_UNKNOWN = re.compile(
    r"'(?:[\w.:-]+/)?(?P<name>\w+)' is not an? (?P<kind>[a-z]+)\.|no network or operation is named '(?P<operation>\w+)'"
)


class Recorded(NamedTuple):
    """A component as a run recorded it, and who supplied it."""

    kind: str
    name: str
    provider: Provider


def recorded(components: Iterable[Any]) -> Iterator[Recorded]:
    """What is understood of recorded lines such as `generator plain: example (translate-example 1.2.3)`."""
    for line in components:
        match = _LINE.match(str(line))
        if match is not None:
            provider = Provider(match["plugin"], match["distribution"], match["version"])
            yield Recorded(match["kind"], match["name"], provider)


def missing_plugin(
    exc: PipelineError, components: Iterable[Any], where: str, catalogue: Catalogue
) -> PluginError | None:
    """The error to raise instead, where components that a pipeline cannot find are recorded with who supplied them.

    Everything else that was recorded and whose distribution supplies nothing now is named with them.

    Args:
        exc: What reading the pipeline gave.
        components: Lines such as `generator plain: example (translate-example 1.2.3)`.
        where: The checkpoint or run that recorded them.
        catalogue: What is installed.
    """
    by_name = {(each.kind, each.name): each.provider for each in recorded(components)}
    missing: dict[str, Provider] = {}
    for problem in exc.problems:
        unknown = _UNKNOWN.match(problem.message)
        if unknown is None:
            continue
        kind, name = unknown["kind"] or "operation", unknown["name"] or unknown["operation"]
        if (kind, name) in by_name:
            missing[f"{kind} '{name}'"] = by_name[kind, name]
    if not missing:
        return None
    here = {entry.provider.distribution for entry in catalogue.entries}
    missing |= {f"{kind} '{name}'": provider for (kind, name), provider in by_name.items()
                if provider.distribution not in here}  # fmt: skip
    parts = [f"{what} is not installed: it came from {provider}" for what, provider in missing.items()]
    wanted = dict.fromkeys(f"{provider.distribution}=={provider.version}" for provider in missing.values())
    return PluginError("; ".join(parts), where=where, fix=f"pip install {' '.join(wanted)}")


def recorded_components(folder: Path) -> Sequence[Any]:
    """What a run's folder records of its components; empty where there is no record."""
    try:
        with (folder / RECORD).open("rb") as file:
            content = json.loads(file.read(MAX_RECORD))
    except (OSError, ValueError, RecursionError):
        return ()
    components = content.get("components") if isinstance(content, Mapping) else None
    return components if isinstance(components, list) else ()
