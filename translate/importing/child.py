"""The process that opens a foreign file of weights: `python -P child.py FILE FOLDER MEMORY SECONDS`.

Run as a script, with a folder of its own, limits that are set after torch is imported, and without a way to say
anything but what it writes into that folder. It imports nothing of the project. The only call of `torch.load` of the
project is here, with torch's restricted unpickler.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

WEIGHTS: Final = "weights.safetensors"
RESULT: Final = "result.json"
DTYPES: Final = frozenset({
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint64, torch.uint32, torch.uint16, torch.uint8,
    torch.bool, torch.complex64,
})  # fmt: skip
"""What the project's safetensors files hold; the parent reads these alone."""
_MAX_DEPTH: Final = 16
_MAX_ENTRIES: Final = 200_000
_GLOBAL: Final = re.compile(r"GLOBAL ([\w.]+)")


class ContentError(Exception):
    """The file holds what cannot be taken over."""


def limit(memory: int, seconds: int) -> None:
    """Take away from this process what reading a file does not need.

    Each limit is set for itself: a system that does not know one of them (Linux alone knows all, Windows none) still
    knows the others. What is left without one is bounded by the parent's clock.
    """
    try:
        import resource
    except ImportError:
        return
    limits = {
        "RLIMIT_FSIZE": memory,
        "RLIMIT_CPU": seconds,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,  # no further process (the administrator is not bound by it)
    }
    taken = _address_space()
    if taken is not None:
        limits["RLIMIT_AS"] = taken + memory
    for name, value in limits.items():
        with suppress(AttributeError, OSError, ValueError):  # not known, or not to be set
            kind = getattr(resource, name)
            _, highest = resource.getrlimit(kind)
            lowered = value if highest == resource.RLIM_INFINITY else min(value, highest)
            resource.setrlimit(kind, (lowered, lowered))


def _address_space() -> int | None:
    """Bytes that this process takes already, with torch in it; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Everything in nested mappings by its path, joined by points."""
    if not isinstance(value, Mapping) or not value:
        yield ".".join(path), value
        return
    if len(path) >= _MAX_DEPTH:
        msg = f"it is nested deeper than {_MAX_DEPTH}"
        raise ContentError(msg)
    for key, item in value.items():
        yield from flat(item, (*path, str(key)))


def sorted_out(content: Any, memory: int) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors by name, and what else there is.

    Raises:
        ContentError: Two tensors of one name, too many entries, or larger than the memory that is allowed.
    """
    tensors: dict[str, torch.Tensor] = {}
    left_out: list[str] = []
    size = 0
    for count, (name, value) in enumerate(flat(content)):
        if count >= _MAX_ENTRIES:
            msg = f"it has more than {_MAX_ENTRIES:,} entries"
            raise ContentError(msg)
        if not isinstance(value, torch.Tensor):
            left_out.append(f"{name} ({type(value).__name__})")
        elif value.layout != torch.strided or value.is_quantized or value.device.type == "meta":
            left_out.append(f"{name} (a sparse, quantised or empty tensor)")
        elif value.dtype not in DTYPES:
            left_out.append(f"{name} (a tensor of {str(value.dtype).removeprefix('torch.')})")
        elif name in tensors or name == "__metadata__":
            msg = f"the name '{name}' is taken"
            raise ContentError(msg)
        else:
            size += value.numel() * value.element_size()  # before a view of few values becomes many in memory
            if size > memory:
                msg = f"its tensors are larger than the {memory:,} bytes that are allowed"
                raise ContentError(msg)
            tensors[name] = value.detach()
    return {name: value.clone().contiguous() for name, value in tensors.items()}, left_out


def read(file: Path, folder: Path, memory: int) -> dict[str, Any]:
    """Read the file, write its tensors; what is to be told."""
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as exc:
        if "alloc" in str(exc):
            raise MemoryError from exc
        found = _GLOBAL.search(str(exc))
        what = f"it names '{found[1]}', which is no weight" if found else f"torch says {type(exc).__name__}"
        raise ContentError(what) from exc
    tensors, left_out = sorted_out(content, memory)
    save_file(tensors, folder / WEIGHTS)
    return {"left_out": left_out}


def main() -> None:
    """Read the file that the command line names, within the limits that it names."""
    file, folder, memory, seconds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    limit(memory, seconds)
    try:
        told = read(file, folder, memory)
    except MemoryError:
        told = {"error": f"it needs more than the {memory:,} bytes of memory that are allowed", "limit": True}
    except ContentError as exc:
        told = {"error": str(exc)}
    except Exception as exc:  # noqa: BLE001  whatever it is, it is said by name and goes no further
        told = {"error": f"{type(exc).__name__}"}
    (folder / RESULT).write_text(json.dumps(told), encoding="ascii")


if __name__ == "__main__":
    main()
