"""Requests to stop: Ctrl-C, SIGTERM, SIGUSR1.

While a training runs, a signal only sets a flag; the loop looks at it between iterations and while it waits for data,
saves, and leaves with the documented exit code. Where there is nothing to save (a start, an evaluation, an export) the
request ends what is under way at once. This module imports nothing that takes time: the command line listens from its
first moment on.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

from translate.errors import Interrupted, Stopped, TranslateError

STOP_AFTER: Final = "training.stop_after"
"""What stands in the place of a signal's name where a limit of time was reached."""

_GENTLE: Final = ("SIGTERM", "SIGUSR1")


class _Now(KeyboardInterrupt):
    """Leaves whatever is under way: unlike an `Exception`, it is taken by nobody for a failure of a component."""


class StopRequests:
    """Catches requests to stop for the length of a `with` block (in the main thread; elsewhere it does nothing).

    Blocks may stand in each other; the innermost listens.

    Args:
        unsaved: What is said of a request that came before there was anything to save.
    """

    _open: Final[list[StopRequests]] = []

    def __init__(self, unsaved: str = "stopped before the first step; there is nothing to save yet") -> None:
        self.requested: str | None = None
        self.started = False
        self._unsaved = unsaved
        self._interrupted = self.over = False
        self._before: dict[int, Any] = {}
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        for outer in self._open:
            if outer.requested is not None:  # and something between the two took it for a failure of its own
                raise outer.error(None)
        if threading.current_thread() is threading.main_thread():
            self._open.append(self)
            for name in ("SIGINT", *_GENTLE):
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self in self._open:
            self._open.remove(self)
        if self.requested is not None:
            for outer in self._open:
                if error is not None:  # the process is about to end: a second request must not change how
                    outer.started = True
                else:  # this came to its end all the same; whatever begins after it is not begun
                    outer.requested = self.requested
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, _Now):
            raise self.error(None) from None
        # A component's error handling, or the check's, may have taken the request for a failure of its own.
        if error is not None and self.requested and not self.started and not isinstance(error, Interrupted | Stopped):
            raise self.error(None) from error

    @classmethod
    def let_end(cls) -> None:
        """All that could be stopped is done: requests that come now are not heard, and the command ends as it would."""
        for each in cls._open:
            each.over = True

    def end_after(self, seconds: float | None) -> None:
        """Take it for a request where so much time has passed since this was made; None = never."""
        if seconds is not None and self.requested is None and time.monotonic() - self._began >= seconds:
            self.requested = STOP_AFTER

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.over:
            return
        name = signal.Signals(number).name
        if name == "SIGINT":
            if self._interrupted:
                _say("stopped at once; the last checkpoint is intact")
                os._exit(Interrupted.exit_code)
            self._interrupted = True
        self.requested = name
        if not self.started:
            raise _Now(name)
        if name == "SIGINT":
            _say("stopping after this step and saving; press Ctrl-C again to stop at once")

    def error(self, step: int | None, kept: str = "a checkpoint is saved") -> TranslateError:
        """The error that ends the run, once what there was to save is saved.

        Args:
            step: Iterations done; None before the first.
            kept: What the same command goes on from.
        """
        kind = Interrupted if self.requested == "SIGINT" else Stopped
        if step is None:
            return kind(self._unsaved)
        why = f", as {STOP_AFTER} is over" if self.requested == STOP_AFTER else ""
        return kind(f"stopped at step {step}{why}; {kept}", fix=f"go on with the same command: {same_command()}")


def _say(text: str) -> None:
    """Write a line on stderr, whatever the process is doing; on a terminal below the `^C` that stands there."""
    with suppress(OSError):
        os.write(2, f"{os.linesep if os.isatty(2) else ''}{text}\n".encode())


def same_command() -> str:
    """The command line as it was typed, for messages."""
    program = os.path.basename(sys.argv[0]) or "translate"
    return shlex.join(["translate" if program in {"__main__.py", "translate"} else program, *sys.argv[1:]])
