"""Which device, how many processes, and what the machine says when it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal

import torch

from translate.errors import ComponentError, MachineError, PluginError, UsageError, did_you_mean

NO_DETERMINISTIC_FORM: Final = "does not have a deterministic implementation"
"""What torch says of an operation in a deterministic run."""

_DEVICES: Final = ("auto", "cpu", "cuda", "mps")
_OUT_OF_MEMORY: Final = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


@contextmanager
def translated_errors(phase: str | Callable[[], str], hint: str) -> Iterator[None]:
    """Turn what the machine refuses within the block into errors for users.

    Args:
        phase: What was being done, as in "training, step 3, in batches of 16 at 256x256"; or what says it then.
        hint: What to change, as in "halve training.batch_size".

    Raises:
        MachineError: The device or the host is out of memory.
        ComponentError: A deterministic run needs an operation that has no deterministic form.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError, PluginError) as error:
        # Also where a component met it: what the machine refuses is not the component's failure.
        exc = error.__cause__ if isinstance(error, PluginError) else error
        if not isinstance(exc, RuntimeError | MemoryError):
            raise
        text = str(exc)
        where = phase if isinstance(phase, str) else phase()
        if isinstance(exc, torch.OutOfMemoryError | MemoryError) or any(part in text for part in _OUT_OF_MEMORY):
            raise MachineError(f"out of memory: {_first_line(exc)}", where=where, fix=hint) from exc
        if NO_DETERMINISTIC_FORM in text:
            raise ComponentError(
                f"a deterministic run is asked for, but: {_first_line(exc)}",
                where=where,
                fix="set training.deterministic: false, or choose a component without this operation",
            ) from exc
        raise


def _first_line(exc: BaseException) -> str:
    return str(exc).partition("\n")[0] or type(exc).__name__


def choose_device(device: str) -> str:
    """The kind of device for `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        MachineError: It is not there; says what is.
        UsageError: There is no device of this name.
    """
    available = ["cpu"]
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        available.insert(0, "mps")
    if device == "auto":
        return available[0]
    if device not in _DEVICES:
        raise UsageError(
            f"device '{device}' does not exist.{did_you_mean(device, _DEVICES)}", fix=f"one of {', '.join(_DEVICES)}"
        )
    if device not in available:
        raise MachineError(
            f"device '{device}' is not available on this machine; available: {', '.join(available)}",
            where="training.device",
            fix="use device: auto, or install a build of torch for your GPU and its driver",
        )
    return device


def layout(kind: str, devices: int | Literal["auto"], nodes: int) -> tuple[int, int]:
    """Processes on each machine, and machines: from the launcher where there is one, else as asked for.

    Raises:
        MachineError: There are not so many devices, or nothing started this process on several machines.
        UsageError: A number below 1.
    """
    launched = _launched()
    if launched is not None:
        processes, nodes = launched
    elif devices == "auto":
        processes = torch.cuda.device_count() if kind == "cuda" else 1
    else:
        processes = devices
    if processes < 1 or nodes < 1:
        raise UsageError(f"devices and nodes must be at least 1 (got {devices} and {nodes})", where="training.devices")
    limit = torch.cuda.device_count() if kind == "cuda" else 1 if kind == "mps" else processes
    if processes > limit:
        raise MachineError(
            f"{processes} {kind} devices are asked for and {limit} can be used",
            where="training.devices",
            fix=f"use devices: {limit}, or device: cpu",
        )
    if nodes > 1 and launched is None:
        raise MachineError(
            f"{nodes} machines are asked for, but nothing started this process on all of them",
            where="training.nodes",
            fix="start it with torchrun or SLURM's srun on every machine",
        )
    return processes, nodes


def _launched() -> tuple[int, int] | None:
    """Processes per machine and machines of the launcher that started this process, or None where none did."""
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:
        return int(env["LOCAL_WORLD_SIZE"]), int(env["WORLD_SIZE"]) // int(env["LOCAL_WORLD_SIZE"])
    interactive = env.get("SLURM_JOB_NAME") in {"bash", "interactive"}
    if "SLURM_NTASKS" in env and "SLURM_PROCID" in env and not interactive:
        nodes = int(env.get("SLURM_NNODES", "1"))
        return max(1, int(env["SLURM_NTASKS"]) // nodes), nodes
    return None
