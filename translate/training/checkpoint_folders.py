"""The folders of a run's checkpoints: finding, keeping and removing them, and their names.

Only names of the form `000500` and the hidden ones that `left_name` gives are this module's; no other is ever touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

from translate.errors import ModelFileError
from translate.training import files, processes
from translate.training.manifest import MANIFEST, read_manifest, verify

WEIGHTS: Final = "weights.safetensors"
STATE: Final = "state.safetensors"
STATE_JSON: Final = "state.json"
_FILES: Final = frozenset({WEIGHTS, STATE, STATE_JSON, MANIFEST})
_FOLDER: Final = re.compile(r"\d{6,18}\Z")
_LEFT: Final = re.compile(r"\.(?P<step>\d{6,18})\.(?P<what>new|old|gone)-(?P<pid>\d+)-(?P<start>\d+)\Z")


def find_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints in a folder by step, lowest first, not verified. Empty when the folder is not there."""
    with files.disk_errors(folder):
        try:
            names = files.listdir(folder)
        except FileNotFoundError:
            return []
    found = [(int(name), folder / name) for name in names if _is_ours(name) and (folder / name).is_dir()]
    return sorted(found)


def latest_checkpoint(folder: Path, *, warn: Callable[[str], None] | None = None) -> Path | None:
    """The checkpoint with the highest step that verifies, or None where there is none at all.

    Args:
        folder: The folder of all checkpoints of a run.
        warn: Called with a sentence for each newer one that is skipped because it is damaged.

    Raises:
        ModelFileError: There are checkpoints but none is intact: to begin again silently would throw them away.
    """
    problems: list[str] = []
    for _, path in reversed(find_checkpoints(folder)):
        try:
            with files.disk_errors(path):
                verify(path, read_manifest(path))
        except ModelFileError as exc:
            problems.append(str(exc))
            if warn is not None:
                warn(f"checkpoint {path.name} is skipped: {exc.where}: {exc.what}")
        else:
            return path
    if problems:
        raise ModelFileError(
            f"none of the {len(problems)} checkpoints is intact; the newest: {problems[0]}",
            where=str(folder),
            fix="restore one from a copy, or remove this folder to begin again at step 0",
        )
    return None


def prune_checkpoints(folder: Path, keep: int, *, newest: int) -> list[Path]:
    """Remove all but the last `keep` checkpoints.

    Only folders with this module's naming, its manifest and nothing else inside are touched: damaged ones, foreign ones
    and ones that somebody put a file into stay, and do not count. Neither do those of later steps than the newest good
    one: a run that went on from an earlier one found them damaged, and their sizes alone do not show it.

    Args:
        folder: The folder of all checkpoints of a run.
        keep: How many stay, at least 1.
        newest: Step of the newest checkpoint that is known to be good, which stays.

    Returns:
        What was removed.
    """
    if keep < 1:
        msg = f"at least one checkpoint must be kept (got {keep})"
        raise ValueError(msg)
    removed = []
    with files.disk_errors(folder):
        older = [(step, path) for step, path in find_checkpoints(folder) if step < newest and is_removable(path)]
        for step, path in older[: max(0, len(older) + 1 - keep)]:
            gone = folder / left_name(step, "gone")
            files.rename(path, gone)  # first out of sight: a half-removed checkpoint is never seen
            remove_folder(gone)
            removed.append(path)
    return removed


def clean_checkpoints(folder: Path) -> list[Path]:
    """Remove what killed saves and prunings left behind; for the start of a run, under its lock.

    Folders of processes that still run, and every name that is not this module's, stay. A checkpoint that was moved
    aside to be replaced comes back when its replacement did not arrive.

    Returns:
        What was removed.
    """
    removed = []
    with files.disk_errors(folder):
        try:
            names = files.listdir(folder)
        except FileNotFoundError:
            return []
        for name in names:
            match = _LEFT.match(name)
            path = folder / name
            if match is None or path.is_symlink() or not path.is_dir() or _is_in_use(match):
                continue
            target = folder / match["step"]
            if match["what"] == "old" and not target.exists():
                files.rename(path, target)
                continue
            remove_folder(path)
            removed.append(path)
    return removed


def is_removable(path: Path, *, intact: bool = True) -> bool:
    """Whether a folder is a checkpoint of ours with nothing else in it (and, where asked, a sound manifest)."""
    if path.is_symlink() or not path.is_dir() or not set(files.listdir(path)) <= _FILES:
        return False
    try:
        verify(path, read_manifest(path), content=False)
    except ModelFileError:
        return not intact
    return True


def remove_folder(path: Path) -> None:
    """Remove a folder of ours: its known files, then itself; fails on anything else inside."""
    try:
        names = files.listdir(path)
    except FileNotFoundError:
        return
    # The manifest goes first, so that nothing half-removed could ever verify.
    for name in sorted(set(names) & _FILES, key=lambda name: (name != MANIFEST, name)):
        files.remove(path / name)
    files.remove(path)


def _is_ours(name: str) -> bool:
    return _FOLDER.match(name) is not None and name == f"{int(name):06d}"


def left_name(step: int, what: Literal["new", "old", "gone"]) -> str:
    """The hidden name of a folder that is being written, replaced or removed by this process."""
    pid = os.getpid()
    return f".{step:06d}.{what}-{pid}-{processes.started(pid) or 0}"


def _is_in_use(match: re.Match[str]) -> bool:
    pid, start = int(match["pid"]), int(match["start"])
    return pid != os.getpid() and processes.is_running(pid, start or None)
