"""One process at a time in a run's folder.

The lock is a file that says who holds it (host, process, since when), itself locked by the operating system while the
holder lives: a process that is killed, even by `kill -9`, leaves a file that nobody holds. File locks of the POSIX kind
are used because a forked worker does not inherit them: an orphaned data loader cannot keep a dead run's lock.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from translate.errors import MachineError
from translate.training import files, processes

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: the pid in the file must do
    fcntl = None

LOCK: Final = "run.lock"
_MAX_BYTES: Final = 4096
_log = logging.getLogger(__name__)
_held: set[Path] = set()  # by this process: closing any handle of a locked file would release it
_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as written into its file.

    Attributes:
        host: Name of the machine.
        pid: Process.
        since: When it took the lock, for people.
        start: When the process started (see `translate.training.processes.started`).
    """

    host: str
    pid: int
    since: str
    start: int | None

    def __str__(self) -> str:
        return f"process {self.pid} on host {self.host}, since {self.since}"

    @property
    def is_running_here(self) -> bool:
        """Whether it is a living process of this host."""
        return self.host == socket.gethostname() and processes.is_running(self.pid, self.start)


class RunLock:
    """Hold a run's folder for the length of a `with` block.

    Args:
        folder: The run's folder; must exist.
        take_over: Also take a lock that a process on another host left (it cannot be seen from here whether it lives).

    Raises:
        MachineError: On entering: another process uses the folder (named), or the file cannot be written.
    """

    def __init__(self, folder: Path, *, take_over: bool = False) -> None:
        self.path = folder.resolve() / LOCK
        self._take_over = take_over
        self._handle: int | None = None
        self._owner = 0

    def __enter__(self) -> Self:
        with _guard:
            if self.path in _held:
                raise self._in_use(_me())
            with files.disk_errors(self.path):
                self._handle = self._acquire()
            self._owner = os.getpid()
            _held.add(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is None or self._owner != os.getpid():  # a forked child is not the holder
            return
        with _guard:
            self.path.unlink(missing_ok=True)  # while it is still ours
            os.close(self._handle)
            self._handle = None
            _held.discard(self.path)

    def _acquire(self) -> int:
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                if self._is_mine(handle):
                    _write(handle, _me())
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its holder removed it between our opening and locking it

    def _is_mine(self, handle: int) -> bool:
        if not _lock(handle):
            raise self._in_use(_read(handle))
        if not self._is_current(handle):
            return False
        self._check(_read(handle))
        return True

    def _is_current(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self.path.lstat())
        except FileNotFoundError:
            return False

    def _check(self, holder: Holder | None) -> None:
        """Judge what an earlier holder wrote, while nobody holds the lock as far as the operating system knows."""
        if holder is None:
            return
        if holder.is_running_here and holder.pid != os.getpid():  # a file system without locks
            raise self._in_use(holder)
        if holder.host != socket.gethostname() and not self._take_over:
            raise MachineError(
                f"the run folder is in use by {holder}; whether that process still lives cannot be seen from here",
                where=str(self.path),
                fix="wait for it to end or, when you know that it did, run again with --take-over",
            )
        _log.warning("the lock of a run that ended without releasing it (%s) is taken over", holder)

    def _in_use(self, holder: Holder | None) -> MachineError:
        return MachineError(
            f"the run folder is in use by {holder or 'another process'}",
            where=str(self.path),
            fix="wait for it to end, or choose another folder with --out",
        )


def _me() -> Holder:
    pid = os.getpid()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Holder(socket.gethostname(), pid, since, processes.started(pid))


def _lock(handle: int) -> bool:
    """Lock an open file; False when another process holds it. A file system without locks counts as success."""
    if fcntl is None:
        return True
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in {errno.EACCES, errno.EAGAIN}:
            return False
        if exc.errno not in {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}:
            raise
    return True


def _write(handle: int, holder: Holder) -> None:
    text = (json.dumps(asdict(holder)) + "\n").encode("ascii")
    os.ftruncate(handle, 0)
    os.pwrite(handle, text, 0)
    os.fsync(handle)


def _read(handle: int) -> Holder | None:
    """What the file says; None when it is empty or half-written (its writer died while it held the lock)."""
    try:
        values = json.loads(os.pread(handle, _MAX_BYTES, 0))
        host, pid, since, start = (values[key] for key in ("host", "pid", "since", "start"))
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(host, str) or type(pid) is not int or not (start is None or type(start) is int):
        return None
    return Holder(host, pid, str(since), start)
