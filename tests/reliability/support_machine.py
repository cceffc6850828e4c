"""A machine that fails: workers that die or hang, memory and disks that are too small; all of it in a child."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import toys
import yaml
from support_forks import TOY

from translate import Component, hookimpl

CLONE_NEWNS = 0x00020000


def write_sick(path: Path, how: str, *, at: int, root: Path, workers: int = 2, **training: Any) -> Path:
    """The small pipeline on a data set whose example `at` does something to the process that asks for it."""
    data = {**TOY["data"], "dataset": "sick_data", "how": how, "at": at, "log": str(root), "workers": workers}
    document = {**TOY, "data": data, "training": {**TOY["training"], **training}}
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


class SickData(toys.ToyData):
    """Noise and its negative, until the one example."""

    def __init__(self, request: Any, how: str, at: int, log: str) -> None:
        super().__init__(request, 32)
        self._how, self._at, self._log = how, at, Path(log)
        self._is_training = request.split == "train"

    def where(self, index: int) -> str:
        """The example's file, were there one."""
        return f"/pictures/{index}.png"

    def example(self, index: int, generator: Any) -> dict[str, Any]:
        """One example."""
        if multiprocessing.parent_process() is not None:
            (self._log / f"worker-{os.getpid()}").touch()
            if index == self._at:
                self._fall_ill()
        return super().example(index, generator)

    def _fall_ill(self) -> None:
        if self._how in {"SIGKILL", "SIGBUS", "SIGSEGV"}:
            os.kill(os.getpid(), getattr(signal, self._how))
        elif self._how == "exit":
            os._exit(3)
        elif self._how == "raise":
            raise KeyError("a bug")
        elif self._how == "hang":
            (self._log / "hangs").touch()
            time.sleep(600)


def sick_data(request: Any, /, *, how: str, at: int, log: str) -> SickData:
    """See `SickData`."""
    return SickData(request, how, at, log)


sick_data.field_names = toys.ToyData.field_names  # type: ignore[attr-defined]


class Plugin:
    """The data set above."""

    @hookimpl
    def translate_components(self) -> Iterator[Component]:
        yield Component(kind="dataset", name="sick_data", target="support_machine:sick_data", summary="For tests.")


def with_data() -> None:
    """Let a child know the data set."""
    from translate.plugin_manager import default_manager

    default_manager().register(Plugin(), name="sick")


def killing_a_worker_in_a_step() -> None:
    """Kill a worker while the parent is busy with something else."""
    with_data()
    from translate.training.turns import TurnRunner

    iterate = TurnRunner.iterate

    def iterating(runner: Any, step: int, *, measuring: bool = False) -> Any:
        found = iterate(runner, step, measuring=measuring)
        if step == 4:
            for worker in multiprocessing.active_children():
                worker.kill()
            limit = time.monotonic() + 0.3
            while time.monotonic() < limit:  # time for a handler to raise here
                torch.ones(8).sum()
        return found

    TurnRunner.iterate = iterating  # type: ignore[method-assign]


def failing_layer(fail: Callable[[], Any], *, at: int, network: str = "G") -> Callable[[], None]:
    """Let the layers of the small networks fail in an iteration."""

    def install() -> None:
        from translate.training.turns import TurnRunner

        iterate, forward, now = TurnRunner.iterate, toys.Dense.forward, [0]

        def iterating(runner: Any, step: int, *, measuring: bool = False) -> Any:
            now[0] = step + 1
            return iterate(runner, step, measuring=measuring)

        def failing(layer: Any, *inputs: Any) -> Any:
            if now[0] == at:
                fail()
            return forward(layer, *inputs)

        TurnRunner.iterate = iterating  # type: ignore[method-assign]
        toys.Dense.forward = failing  # type: ignore[method-assign]

    return install


def absurd() -> None:
    """More than any machine has."""
    torch.empty(1 << 60, dtype=torch.uint8)


def cuda() -> None:
    """As a GPU says it."""
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ...")


def python() -> None:
    """As Python says it."""
    raise MemoryError


def address_space() -> None:
    """A limit of this process that a larger tensor does not fit into."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    torch.empty(1 << 30, dtype=torch.uint8)


def private_mounts(*mounts: tuple[str, str]) -> Callable[[], None]:
    """Mount small file systems in memory that only a child sees.

    Args:
        mounts: Options and place of each.
    """

    def install() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        for options, place in mounts:
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)

    return install


def can_mount() -> bool:
    """Whether `private_mounts` works here."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            private_mounts(("size=64k", "/mnt"))()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def running(pids: list[int]) -> list[int]:
    """Those that still run (and are no zombies)."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in {"Z", "X"}:
            found.append(pid)
    return found
