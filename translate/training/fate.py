"""What the processes of one training share at its end: one that fails ends all, with one message and one exit code.

The process that fails says so in the store through which they found each other, and leaves their group, which breaks
the exchange that the others wait in; they look into the store and leave quietly with the same exit code. One that was
killed says nothing: the others see that it is gone, and one of them says so. An exchange that does not break by itself
(NCCL's does not) is ended by a thread that looks at both once a second.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import torch.distributed as dist

from translate.errors import EndedElsewhere, Interrupted, MachineError, Stopped, TranslateError, UsageError
from translate.training import processes

BUG: Final = 70  # the exit code of what is no TranslateError
_LOOK: Final = 1.0  # seconds between two looks at the others
_GRACE: Final = 5.0  # seconds in which a process leaves by itself once another has failed

_OF_ALL: Final = {UsageError.exit_code, Stopped.exit_code, Interrupted.exit_code}
"""Exit codes of what is no matter of one process: settings are those of all, and all are asked to stop."""

Method = TypeVar("Method", bound=Callable[..., Any])


class BrokenExchangeError(RuntimeError):
    """An exchange between the processes failed: one of them is gone, or the network is."""


def exchanging(method: Method) -> Method:
    """Mark what waits for the other processes."""

    @functools.wraps(method)
    def marked(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except RuntimeError as exc:  # gloo's; those of torch.distributed are derived from it
            raise BrokenExchangeError(str(exc).partition("\n")[0]) from exc

    return marked  # type: ignore[return-value]


def _is_own(exc: BaseException) -> bool:
    """Whether an error is no consequence of the end of another process."""
    return isinstance(exc, TranslateError | KeyboardInterrupt)


def _code(exc: BaseException) -> int:
    if isinstance(exc, KeyboardInterrupt):  # a signal before the first step; see `translate.stopping`
        return Stopped.exit_code if str(exc) not in {"", "SIGINT"} else Interrupted.exit_code
    return exc.exit_code if isinstance(exc, TranslateError) else BUG


class Fate:
    """The end that this process shares with the others, of which there is at least one.

    Args:
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, rank: int, world_size: int) -> None:
        self._rank, self._world_size = rank, world_size
        # That of `init_process_group`; there is no public way to it.
        store: Any = dist.distributed_c10d._get_default_store()  # noqa: SLF001
        self._store = dist.PrefixStore("translate-fate", store)  # type: ignore[attr-defined]
        pid = os.getpid()
        self._store.set(f"who/{rank}", json.dumps([socket.gethostname(), pid, processes.started(pid)]))
        self._who: list[tuple[str, int, int | None]] = []
        for other in range(world_size):
            host, number, start = json.loads(self._store.get(f"who/{other}"))
            self._who.append((host, number, start))
        self._over = threading.Event()
        self._busy = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="other-processes", daemon=True)

    @contextmanager
    def shared(self, leave: Callable[[], None]) -> Iterator[None]:
        """What ends this block in one process ends it in all.

        Args:
            leave: Leaves the group of processes.

        Raises:
            TranslateError: This process's own, if it is the one that says so.
            MachineError: A process is gone, if this one is the one that says so.
            EndedElsewhere: Another process says so.
        """
        self._watcher.start()
        try:
            yield
        except BaseException as exc:
            self._over.set()
            error = self._end(exc)
            leave()
            self._part(failed=True)
            if error is exc:
                raise
            raise error from exc
        else:
            self._over.set()
            self._part(failed=False)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Within this block, the watching thread does not end the process: a save is under way."""
        with self._busy:
            yield

    @property
    def _me(self) -> str:
        return f"rank {self._rank} of {self._world_size} on {self._who[self._rank][0]}"

    def _end(self, exc: BaseException) -> BaseException:
        """The error with which this process leaves."""
        if isinstance(exc, TranslateError) and exc.rank not in {None, self._rank}:
            return EndedElsewhere(exc.exit_code)
        if _is_own(exc) or not (isinstance(exc, BrokenExchangeError) or self._others_failed()):
            code = _code(exc)
            first = self._claim(code)
            if first is not None:
                return EndedElsewhere(first)
            if isinstance(exc, TranslateError) and code not in _OF_ALL:
                exc.what = f"{self._me}: {exc.what}"
            elif code == BUG:
                exc.add_note(self._me)
            return exc
        limit = time.monotonic() + _GRACE
        while not self._others_failed() and time.monotonic() < limit:
            time.sleep(0.05)
        first = self._claim(MachineError.exit_code)
        return self._gone(str(exc)) if first is None else EndedElsewhere(first)

    def _gone(self, how: str) -> MachineError:
        """What is said of a process that said nothing."""
        ranks = self._dead() or ([0] if self._failure() is None else [])
        if not ranks:
            return MachineError(
                f"{self._me} lost the others: {how}",
                where="the network between the processes, or one that was killed",
                fix="run the same command again: it goes on from the newest checkpoint",
            )
        names = ", ".join(f"rank {rank} of {self._world_size} on {self._who[rank][0]} (process {self._who[rank][1]})"
                          for rank in ranks)  # fmt: skip
        return MachineError(
            f"{names} ended without a word, and with it the training",
            where="killed from outside, or by the system when memory ran out (its log says so)",
            fix="run the same command again: it goes on from the newest checkpoint",
        )

    # -- what the others do -----------------------------------------------------------------------------------------

    def _claim(self, code: int) -> int | None:
        """Become the one that says what happened: None, or the exit code of the one that does."""
        mine = f"{self._rank} {code}"
        try:
            said = self._store.compare_set("failure", "", mine).decode()
        except RuntimeError:  # the store is gone, and rank 0 with it
            speaker = min(set(range(1, self._world_size)) - set(self._dead()), default=0)
            return None if self._rank in {0, speaker} else code
        return None if said == mine else int(said.partition(" ")[2])

    def _failure(self) -> str | None:
        """Who failed, as it said; an empty text where nobody did, None where the store is gone."""
        try:
            return self._store.get("failure").decode() if self._store.check(["failure"]) else ""
        except RuntimeError:
            return None

    def _others_failed(self) -> bool:
        return self._failure() != "" or bool(self._dead())

    def _dead(self) -> list[int]:
        """The processes of this machine that are gone and had not finished."""
        here = socket.gethostname()
        gone = [
            rank
            for rank, (host, pid, start) in enumerate(self._who)
            if host == here and not processes.is_running(pid, start)
        ]
        try:
            return [rank for rank in gone if not self._store.check([f"done/{rank}"])]
        except RuntimeError:
            return gone

    def _part(self, *, failed: bool) -> None:
        """Leave; the one that holds the store stays until the others have looked into it."""
        with suppress(RuntimeError):
            self._store.set(f"done/{self._rank}", "")
            limit = time.monotonic() + _GRACE
            waited = [rank for rank in range(self._world_size) if self._rank == 0 and rank]
            while waited and time.monotonic() < limit:
                dead = self._dead() if failed else []
                waited = [rank for rank in waited if rank not in dead and not self._store.check([f"done/{rank}"])]
                time.sleep(0.02)

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            if not self._others_failed():
                continue
            if self._over.wait(_GRACE):
                return
            with self._busy:
                if self._over.is_set():
                    return
                first = self._claim(MachineError.exit_code)
                if first is None:
                    sys.stderr.write(self._gone("an exchange did not end").block() + "\n")
                    sys.stderr.flush()
                os._exit(MachineError.exit_code if first is None else first)
