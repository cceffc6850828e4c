"""The logged values as lines of JSON, which every tool reads."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from translate import hookimpl

if TYPE_CHECKING:
    from translate.notices import Notice
    from translate.training.run import Run

FILE: Final = "metrics.jsonl"
_log = logging.getLogger(__name__)


class MetricsFile:
    """Append one object for each logged step to `metrics.jsonl` in the run's folder.

    `{"step": 500, "reconstruction": 0.12, ...}`. JSON has no infinities: a value that is not finite is written as the
    text `"nan"`, `"inf"` or `"-inf"`, which `float` reads. What an observer has to say stands between them, as in
    `{"step": 500, "health": {"kind": "collapse", "state": "began", "text": ..., "advice": [...]}}`. When a run goes on
    from a checkpoint, the lines after its step are cut off, so that the file is the one of a run that was never
    stopped. A full disk costs the file, not the run.
    """

    def __init__(self) -> None:
        self._file: TextIO | None = None

    @hookimpl
    def translate_run_started(self, run: Run) -> None:
        """Open the file at the right place."""
        if not run.is_main:
            return
        path = run.folder / FILE
        try:
            keep_until(path, run.start_step)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as exc:
            self._give_up(path, exc)

    @hookimpl
    def translate_step_logged(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        """Write a line."""
        if self._file is None:
            return
        self._write(run, {"step": step} | {name: _number(value) for name, value in values.items()})

    @hookimpl
    def translate_noticed(self, run: Run, step: int, notice: Notice) -> None:
        """Write what an observer has to say, as an object under the observer's name."""
        if self._file is None:
            return
        said = {name: value for name, value in asdict(notice).items() if name != "source"}
        self._write(run, {"step": step, notice.source: said})

    @hookimpl
    def translate_run_finished(self) -> None:
        """Close the file."""
        self._close()

    def _write(self, run: Run, line: Mapping[str, Any]) -> None:
        assert self._file is not None
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
        except OSError as exc:
            self._give_up(run.folder / FILE, exc)

    def _give_up(self, path: Path, exc: OSError) -> None:
        _log.warning("%s cannot be written (%s); the training goes on without it", path, exc.strerror or exc)
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as exc:
                _log.warning("%s: the last lines were lost (%s)", file.name, exc.strerror or exc)


def keep_until(path: Path, step: int) -> None:
    """Cut off everything after the lines up to `step`: later ones, and a half-written one.

    Args:
        path: The file; nothing happens when it is missing.
        step: The last step to keep.
    """
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or not _is_kept(line, step):
                break
            end += len(line)
    if end < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(end)


def _is_kept(line: bytes, step: int) -> bool:
    try:
        return int(json.loads(line)["step"]) <= step
    except (ValueError, KeyError, TypeError):
        return False


def _number(value: float) -> float | str:
    return float(value) if math.isfinite(value) else str(float(value))
