"""Is the process that left something behind still running?"""

from __future__ import annotations

import os
from pathlib import Path


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot, or None where the system does not tell (only Linux does).

    Together with the pid it names a process for good: pids are given out again, in a container always the same few.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def is_running(pid: int, start: int | None) -> bool:
    """Whether the process `pid` that started at `start` (see `started`; None = unknown) is still there."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's, so it exists
    except OverflowError:
        return False
    if _is_dead(pid):
        return False
    now = started(pid)
    return start is None or now is None or now == start


def _is_dead(pid: int) -> bool:
    """Whether a process has ended and only its parent has not looked yet: it holds nothing any more."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return fields[:1] in (["Z"], ["X"])
    except OSError:
        return False
