"""A resolved pipeline without the places on this machine, for files that leave the house; and with them again.

The pipeline that a run keeps beside its checkpoints names them; the one within a checkpoint or an exported file does
not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from translate.pipeline.merging import MISSING
from translate.pipeline.settings import Use

_ABSOLUTE: Final = re.compile(r"[/~\\]|[A-Za-z]:[\\/]|file:")


def without_paths(resolved: Mapping[str, Any], dataset: Use) -> dict[str, Any]:
    """The resolved pipeline with every place on this machine replaced by `???`; what the description says stays."""
    local = {name for name, value in dataset.choices.items() if isinstance(value, Path)} | {"root"}
    clean: dict[str, Any] = _clean(resolved)
    clean["data"] = {key: MISSING if key in local and value else value for key, value in clean["data"].items()}
    if "description" in resolved:
        clean["description"] = resolved["description"]
    return clean


def with_paths(document: Any, local: Any) -> Any:
    """The document with every `???` for which another document of the same form has a value."""
    if isinstance(document, Mapping):
        known = local if isinstance(local, Mapping) else {}
        return {key: with_paths(value, known.get(key)) for key, value in document.items()}
    if isinstance(document, list):
        listed = local if isinstance(local, list) and len(local) == len(document) else [None] * len(document)
        return [with_paths(value, other) for value, other in zip(document, listed, strict=True)]
    return local if document == MISSING and local is not None else document


def without_missing(document: Mapping[str, Any], *, sections: frozenset[str]) -> dict[str, Any]:
    """The document without the keys that are `???` in some of its sections, so that their defaults stand there."""
    return {key: _dropped(value) if key in sections else value for key, value in document.items()}


def _dropped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _dropped(item) for key, item in value.items() if item != MISSING}
    return [_dropped(item) for item in value] if isinstance(value, list) else value


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return MISSING if isinstance(value, str) and _ABSOLUTE.match(value) else value
