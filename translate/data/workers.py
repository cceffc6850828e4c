"""Processes that prepare batches.

What each of them works at is known to the parent, so that one that dies or hangs names its file. They die with the
parent, however that ends.
"""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import suppress
from multiprocessing import connection
from typing import Any, Final

import torch
from torch.utils.data import DataLoader, get_worker_info

from translate.data.examples import Examples, Failure, Prepared
from translate.errors import MachineError

POLL: Final = 1.0  # seconds after which a process that has died, or a wish to leave, is noticed
_GRACE: Final = 1.0  # seconds that processes have to end
_NOTHING: Final = -1
_PR_SET_PDEATHSIG: Final = 1

Doing = MutableSequence[int]
"""In shared memory: the example that each process works at, or -1."""


class Workers:
    """Worker processes and the batches that they prepare, in order. Closing it ends them.

    Args:
        examples: Makes the batches.
        positions: Of the examples of each batch.
        leave: Whether to give up waiting; looked at once a second while a batch is not there.
    """

    def __init__(self, examples: Examples, positions: Iterator[list[int]], leave: Callable[[], bool]) -> None:
        self._examples, settings = examples, examples.settings
        self._leave = leave
        self._limit = settings.worker_timeout
        try:
            self._doing: Doing = multiprocessing.RawArray("q", [_NOTHING] * settings.workers)
            loader: DataLoader[Any] = DataLoader(
                examples,  # type: ignore[arg-type]  # `__getitems__` is all that a batch sampler needs
                batch_sampler=_Sampler(positions),
                num_workers=settings.workers,
                collate_fn=_shared,  # type: ignore[arg-type]  # what `__getitems__` gives is a batch already
                timeout=min(POLL, self._limit),
                worker_init_fn=functools.partial(_start_worker, self._doing),
                generator=torch.Generator().manual_seed(0),  # not the global one, whose numbers belong to the networks
            )
            iterator: Any = iter(loader)
        except OSError as exc:  # too many processes, or no room for what they share
            raise self._error(f"cannot be started: {exc}", "data.workers", _SHARED) from exc
        self._iterator = iterator
        self._processes = list(iterator._workers)  # noqa: SLF001  # there is no public way
        _stop_watching(iterator)

    def next(self) -> Prepared | Failure | None:
        """The next batch; None where it was not waited for to the end.

        Raises:
            MachineError: A process died, or gave nothing for `data.worker_timeout` seconds; names the file.
        """
        begun = time.monotonic()
        while True:
            try:
                batch: Prepared | Failure = next(self._iterator)
            except (RuntimeError, OSError, EOFError) as exc:
                # The tensors of a batch are fetched from the process that made them: one that dies in between, or
                # while it writes, is a broken connection here, which may be seen before its end is.
                dead = self._dead(0.0 if isinstance(exc, RuntimeError) else _GRACE)
                if dead:
                    raise self._died(dead[0]) from exc
                if not str(exc).startswith("DataLoader timed out"):
                    raise self._error("failed", f"{type(exc).__name__}: {exc}".splitlines()[0], _LESS) from exc
                if self._leave():
                    return None
                if time.monotonic() - begun >= self._limit:
                    raise self._hangs() from exc
            else:
                return batch

    def close(self) -> None:
        """End the processes; one that hangs is not waited for."""
        limit = time.monotonic() + _GRACE
        while any(number != _NOTHING for number in self._doing) and time.monotonic() < limit:
            if not all(process.is_alive() for process in self._processes):
                break
            time.sleep(0.005)
        for process, number in zip(self._processes, self._doing, strict=True):
            if number != _NOTHING:
                process.kill()
        self._iterator = None  # asks the others to leave
        for process in self._processes:
            process.join(timeout=_GRACE)
            if process.is_alive():
                process.kill()

    def _dead(self, wait: float) -> list[int]:
        """The processes that have ended, once one of them has, or after so many seconds."""
        ended = connection.wait([process.sentinel for process in self._processes], timeout=wait)
        for process in self._processes:
            if process.sentinel in ended:  # it has let go of everything, and its exit code follows
                process.join(timeout=_GRACE)
        return [number for number, process in enumerate(self._processes) if not process.is_alive()]

    def _died(self, worker: int) -> MachineError:
        code = self._processes[worker].exitcode or 0
        if code == -signal.SIGBUS:
            return self._error("died for want of shared memory", self._at([worker]), _SHARED)
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        why = " (which the system does where memory runs out)" if code == -signal.SIGKILL else ""
        return self._error(f"{how}{why}", self._at([worker]), _LESS)

    def _hangs(self) -> MachineError:
        busy = [worker for worker, number in enumerate(self._doing) if number != _NOTHING]
        fix = "see whether the file can be read at all (a network folder?), or raise data.worker_timeout"
        return self._error(f"hangs: it gave no batch for {self._limit:g} seconds", self._at(busy), fix)

    def _error(self, how: str, where: str, fix: str) -> MachineError:
        return MachineError(f"a process that prepares batches {how}", where=where, fix=fix)

    def _at(self, workers: Sequence[int]) -> str:
        files = [self._examples.where(number) for number in (self._doing[worker] for worker in workers) if number >= 0]
        return ", ".join(dict.fromkeys(files)) or "data.workers (at no file)"


_LESS: Final = "lower data.workers (0 uses none) or data.image_size, or look at this file"
_SHARED: Final = "use data.workers=0, or give more shared memory (/dev/shm; docker run --shm-size=2g)"


class _Sampler:
    """An endless iterator as the batch sampler that DataLoader wants."""

    def __init__(self, positions: Iterator[list[int]]) -> None:
        self._positions = positions

    def __iter__(self) -> Iterator[list[int]]:
        return self._positions


def _shared(found: Prepared | Failure) -> Prepared | Failure:
    """A batch in shared memory: where that is too small, torch would only say so in a thread that nobody hears."""
    info: Any = get_worker_info()
    try:
        if isinstance(found, Prepared):
            for tensor in found.batch.values():
                tensor.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError as exc:
        what = f"too little shared memory: {str(exc).splitlines()[0]}"
        return Failure(MachineError(what, where="data.workers", fix=_SHARED))
    finally:
        info.dataset.note(_NOTHING)
    return found


def _stop_watching(iterator: Any) -> None:
    """Have torch no longer raise for the end of these workers: it does so anywhere in the main thread, at any time."""
    if getattr(iterator, "_worker_pids_set", False):
        handling: Any = torch.utils.data._utils.signal_handling  # noqa: SLF001  # there is no public way
        handling._remove_worker_pids(id(iterator))  # noqa: SLF001
        iterator._worker_pids_set = False  # noqa: SLF001


def _start_worker(doing: Doing, worker: int) -> None:
    torch.set_num_threads(1)
    # Requests to stop are the parent's: it saves a checkpoint first, and workers must not die under it.
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    for name in ("SIGBUS", "SIGSEGV", "SIGFPE"):  # torch would write a text of its own; the parent has the better one
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    _die_with_the_parent()
    info: Any = get_worker_info()
    info.dataset.note = functools.partial(doing.__setitem__, worker)


def _die_with_the_parent() -> None:
    """On Linux at once, also where this process hangs; elsewhere torch looks for the parent every few seconds."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
