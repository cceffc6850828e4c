"""Requests to stop: Ctrl-C, SIGTERM, SIGUSR1.

A signal only sets a flag; the loop looks at it between iterations, saves, and leaves with the documented exit code.
Until the loop has begun there is nothing to save, and the request ends the start at once.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from translate.errors import Interrupted, Stopped, TranslateError

_GENTLE = ("SIGTERM", "SIGUSR1")


class StopRequests:
    """Catches requests to stop for the length of a `with` block (in the main thread; elsewhere it does nothing)."""

    def __init__(self) -> None:
        self.requested: str | None = None
        self.started = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", *_GENTLE):
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # A component's error handling, or the check's, may have taken the request for a failure of its own.
        if error is not None and self.requested and not self.started and not isinstance(error, Interrupted | Stopped):
            raise self.error(None) from error

    def _note(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.requested == "SIGINT" and name == "SIGINT":
            os.write(2, b"\nstopped at once; the last checkpoint is intact\n")
            os._exit(Interrupted.exit_code)
        self.requested = name
        if not self.started:
            raise self.error(None)
        if name == "SIGINT":
            os.write(2, b"\nstopping after this step and saving; press Ctrl-C again to stop at once\n")

    def error(self, step: int | None) -> TranslateError:
        """The error that ends the run, once what there was to save is saved."""
        kind = Interrupted if self.requested == "SIGINT" else Stopped
        if step is None:
            return kind("stopped before the first step; there is nothing to save yet")
        return kind(
            f"stopped at step {step}; a checkpoint is saved", fix=f"go on with the same command: {same_command()}"
        )


def same_command() -> str:
    """The command line as it was typed, for messages."""
    program = os.path.basename(sys.argv[0]) or "translate"
    return shlex.join(["translate" if program in {"__main__.py", "translate"} else program, *sys.argv[1:]])
