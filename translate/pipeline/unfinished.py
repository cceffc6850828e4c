"""Settings that are still `???`: to show a pipeline they may stay so, to train it they must be given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from translate.components import KINDS
from translate.errors import Problem
from translate.pipeline.document import Document
from translate.pipeline.merging import MISSING
from translate.pipeline.settings import Path_

_SECTIONS = ("data", "training", "inference")
_COMPONENTS = ("latents", "schedules", "networks")


def open_settings(document: Document) -> tuple[Path_, ...]:
    """Paths of settings that are still `???`: component parameters and plain settings, not names or expressions."""
    data = document.data
    places: dict[Path_, Any] = {(section,): data.get(section) for section in _SECTIONS}
    for section in _COMPONENTS:
        named = data.get(section)
        places |= {(section, name): use for name, use in named.items()} if isinstance(named, Mapping) else {}
    return tuple(
        (*path, key)
        for path, settings in places.items()
        if isinstance(settings, Mapping)
        for key, value in settings.items()
        if value == MISSING and key not in KINDS
    )


def without(problems: Iterable[Problem], paths: Iterable[Path_]) -> list[Problem]:
    """The problems that do not stand at one of these paths."""
    texts = {".".join(map(str, path)) for path in paths}
    return [problem for problem in problems if problem.path not in texts]


def leave_open(resolved: dict[str, Any], paths: Iterable[Path_]) -> dict[str, Any]:
    """Write `???` back into resolved data, in place of the defaults that stood in."""
    for path in paths:
        section: Any = resolved
        for part in path[:-1]:
            section = section[part]
        section[path[-1]] = MISSING
    return resolved
