"""Faults in the file operations of a save: the process dies, or the disk refuses, at the n-th one.

A write counts once for each piece that it is given; the fault falls when half of the piece is written. The audit events
of the interpreter are counted beside, so that an operation which went around the product's file layer is noticed.
"""

from __future__ import annotations

import errno
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from translate.training import files

DEAD: Final = 9  # exit code of a process that a fault killed
_PLAIN: Final = ("make_folder", "fsync", "rename", "replace", "remove")


class Faults:
    """Counts file operations and lets one of them fail.

    Args:
        at: Number of the operation, from 1; 0 for none.
        error: What it raises; None to die.
    """

    def __init__(self, at: int = 0, error: OSError | None = None) -> None:
        self.at, self.error = at, error
        self.calls: list[tuple[str, Path]] = []
        self.audited: Counter[str] = Counter()

    def install(self, folder: Path) -> None:
        """Wrap the file layer of this process for good; audit what happens below a folder."""
        for name in _PLAIN:
            setattr(files, name, self._plain(name, getattr(files, name)))
        write = files.write_bytes
        files.write_bytes = lambda path, chunks: write(path, self._pieces(path, chunks))  # type: ignore[assignment]
        below = f"{folder}{os.sep}"
        sys.addaudithook(lambda event, arguments: self._audit(below, event, arguments))

    def _point(self, name: str, path: Path) -> None:
        self.calls.append((name, path))
        if len(self.calls) == self.at:
            if self.error is None:
                os._exit(DEAD)
            raise self.error

    def _plain(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*paths: Path) -> Any:
            self._point(name, paths[0])
            return original(*paths)

        return wrapped

    def _pieces(self, path: Path, chunks: Iterable[files.Buffer]) -> Iterator[files.Buffer]:
        for chunk in chunks:
            if len(self.calls) + 1 == self.at:
                yield memoryview(chunk)[: len(chunk) // 2]
            self._point("write", path)
            yield chunk

    def _audit(self, below: str, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[1] is not None and "r" in arguments[1] and "+" not in arguments[1]:
            return
        kinds = {"open": "write_bytes", "os.mkdir": "make_folder", "os.rename": "rename", "os.remove": "remove",
                 "os.rmdir": "remove"}  # fmt: skip
        if event in kinds and isinstance(arguments[0], str | Path) and str(arguments[0]).startswith(below):
            if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                return
            self.audited[kinds[event]] += 1

    def counted(self) -> Counter[str]:
        """What the layer was asked for, in the words of the audit."""
        found = Counter(name for name, _ in self.calls if name not in {"write", "fsync"})
        found["write_bytes"] = len({path for name, path in self.calls if name == "write"})
        return found


FULL: Final = (errno.ENOSPC, "No space left on device")


# -- weaknesses: what a harness must find -----------------------------------------------------------------------------


def use_naive_save() -> None:
    """Let trainings of this process write their checkpoints under the final name, one file after the other."""
    from translate.training import checkpoint

    checkpoint.left_name = lambda step, _: f"{step:06d}"  # type: ignore[assignment]
    checkpoint._publish = lambda *_: None  # type: ignore[assignment]


def use_prune_before_save() -> None:
    """Let trainings of this process make room before they save instead of after it."""
    from translate.training import checkpoint, state

    def pruning_first(folder: Path, step: int, **content: Any) -> Path:
        for _, path in checkpoint.find_checkpoints(folder):
            checkpoint.remove_folder(path)
        return checkpoint.save_checkpoint(folder, step, **content)

    state.save_checkpoint = pruning_first
