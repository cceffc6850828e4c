"""Which files a run was trained on: a run that goes on must not learn from others unnoticed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from translate.data.request import Dataset
from translate.errors import DataError
from translate.training.run import write_text

EXAMPLES: Final = "examples.json"
"""The list's name in a run's folder."""

_MOST: Final = 200_000
_NAMED: Final = 2


def list_examples(dataset: Dataset) -> dict[str, int]:
    """The dataset's files below their common folder with their sizes, or its examples' names where it has no files.

    A file that was changed and has the same size is not noticed: to read all of them would take too long. Of more than
    200,000 the first ones are listed.
    """
    files: Any = getattr(dataset, "files", None)
    if files is None:
        return {_text(dataset.name(index)): 0 for index in range(min(len(dataset), _MOST))}
    paths = [path for found in files().values() for path in found][:_MOST]
    if not paths:
        return {}
    root = os.path.commonpath([path.parent for path in paths])
    return {_text(os.path.relpath(path, root)): _size(path) for path in paths}


def _text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def check_examples(folder: Path, now: Mapping[str, int], step: int, *, accept: bool) -> str | None:
    """Compare the data with that of a run's earlier steps.

    Args:
        folder: The run's.
        now: From `list_examples`.
        step: Iterations done.
        accept: Go on with other data.

    Returns:
        What is accepted, for a warning; None where nothing changed.

    Raises:
        DataError: The data is not what it was, and this is not accepted.
    """
    before = _read(folder / EXAMPLES) if step else None
    changes = "" if before is None else _changes(before, now)
    if not changes:
        return None
    what = f"the data is not what it was: {changes} since step {step}"
    if accept:
        return f"{what}; goes on with what is there"
    raise DataError(
        what,
        where=str(folder / EXAMPLES),
        fix="put it back, or go on with what is there: the same command with --accept-data-change",
    )


def write_examples(folder: Path, now: Mapping[str, int]) -> None:
    """Keep the list in the run's folder.

    Raises:
        MachineError: It cannot be written.
    """
    write_text(folder / EXAMPLES, json.dumps(now, indent=0) + "\n")


def _read(path: Path) -> dict[str, int] | None:
    """The list of before; None where there is none that can be read, as in runs of earlier versions."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and all(isinstance(size, int) for size in found.values()) else None


def _changes(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    groups = {
        "added": [name for name in now if name not in before],
        "removed": [name for name in before if name not in now],
        "changed": [name for name in now if before.get(name, now[name]) != now[name]],
    }
    found = ", ".join(_counted(verb, names) for verb, names in groups.items() if names)
    return found or ("another order" if list(before) != list(now) else "")


def _counted(verb: str, names: list[str]) -> str:
    return f"{len(names)} {verb} ({', '.join(_shown(names))})"


def _shown(names: list[str]) -> Iterator[str]:
    yield from (ascii(name)[1:-1] for name in sorted(names)[:_NAMED])
    if len(names) > _NAMED:
        yield "..."
