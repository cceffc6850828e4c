"""Several processes of one training, forked from a warm one: what `torchrun` would start, without its start."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support_forks import Child, command, start


def ranks(
    folder: Path,
    pipeline: str | Path,
    *settings: str,
    world_size: int = 2,
    before: Callable[[int], None] | None = None,
) -> list[Child]:
    """Start `translate train` in as many processes; the output of each stands beside the folder.

    Args:
        folder: The run's.
        pipeline: What is trained.
        settings: Overrides.
        world_size: Number of processes.
        before: Done first in each child, which is told its rank.
    """
    import lightning_fabric.strategies.ddp  # noqa: F401  # once, and not in each child

    port = _free_port()

    def prepare(rank: int) -> None:
        os.environ |= {
            "TORCHELASTIC_RUN_ID": "none",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "GROUP_RANK": "0",
            "WORLD_SIZE": str(world_size),
            "LOCAL_WORLD_SIZE": str(world_size),
        }
        if before is not None:
            before(rank)

    words = ("train", pipeline, *settings, f"training.devices={world_size}", "training.device=cpu", "--out", folder)
    return [
        start(command(*words, before=lambda rank=rank: prepare(rank)), folder.with_name(f"{folder.name}.{rank}.log"))
        for rank in range(world_size)
    ]


def ended(children: Sequence[Child], seconds: float = 60.0) -> tuple[list[int], float]:
    """Wait for all; returns their exit codes and the seconds that it took."""
    began = time.monotonic()
    return [child.wait(seconds) for child in children], time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
