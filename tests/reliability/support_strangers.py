"""Damaged and forged files, one at a time, in children with limits: what came of each, counted."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from translate.errors import TranslateError
from translate.training.manifest import MANIFEST, Manifest, read_manifest

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = sorted((ROOT / "tests" / "fixtures").glob("checkpoint_format_*"))
"""One small run for each format that was ever released."""

_MEMORY: Final = 2 << 30
_SECONDS: Final = 10

Outcome = str
"""`noticed` (a typed error), `opened`, `untyped: ...`, or `died: ...`."""


def outcome(work: Callable[[], object]) -> Outcome:
    """What came of opening a file."""
    try:
        work()
    except TranslateError as exc:
        sound = exc.exit_code in {4, 5} and exc.what and exc.where  # 5: it names a component that nobody installed
        return "noticed" if sound else f"untyped: exit {exc.exit_code}: {exc}"
    except Exception as exc:
        return f"untyped: {type(exc).__name__}: {exc}"[:300]
    return "opened"


def in_children(work: Callable[[int], Outcome], count: int, folder: Path, *, batch: int = 250) -> list[Outcome]:
    """Do a work for 0, 1, ... in forked children with limits of memory and time; one that dies is a result too."""
    results: list[Outcome] = []
    told = folder / "results.jsonl"
    while len(results) < count:
        first, last = len(results), min(count, len(results) + batch)
        told.write_bytes(b"")
        pid = os.fork()
        if pid == 0:
            _work_through(work, range(first, last), told)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        results += [json.loads(line) for line in told.read_text().splitlines()]
        if len(results) < last:
            results.append(f"died: {'took too long' if status == -signal.SIGALRM else f'exit {status}'}")
    return results


def _work_through(work: Callable[[int], Outcome], numbers: range, told: Path) -> None:
    """In the child: never comes back."""
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
        if pages:
            most = pages * resource.getpagesize() + _MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        with told.open("a") as file:
            for number in numbers:
                signal.alarm(_SECONDS)
                file.write(json.dumps(work(number)) + "\n")
                file.flush()
        os._exit(0)
    except BaseException:
        os._exit(99)


def counted(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many of each kind."""
    kinds = Counter(found.partition(":")[0] for found in outcomes)
    return {kind: kinds[kind] for kind in ("noticed", "opened", "untyped", "died")}


def bad(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that should not be, for the message of a failed test."""
    return sorted({found for found in outcomes if found.startswith(("untyped", "died"))})


# -- accidents --------------------------------------------------------------------------------------------------------


def accidents(folder: Path, count: int, generator: random.Random) -> Iterator[tuple[str, Callable[[], None]]]:
    """Damages of a checkpoint, over every file of it in turn: single flipped bits, and cuts.

    Each is a text and a function that does it; the folder is whole again before the next one.
    """
    names = sorted(path.name for path in folder.iterdir())
    whole = {name: (folder / name).read_bytes() for name in names}
    for number in range(count):
        name = names[number % len(names)]
        content = bytearray(whole[name])
        place = generator.randrange(len(content))
        if number // len(names) % 4 == 3:
            what = f"{name} cut at {place}"
            del content[place:]
        else:
            bit = generator.randrange(8)
            what = f"{name} byte {place} bit {bit}"
            content[place] ^= 1 << bit

        def do(name: str = name, content: bytes = bytes(content)) -> None:
            (folder / name).write_bytes(content)

        yield what, do
        (folder / name).write_bytes(whole[name])


# -- lies: the content is changed on purpose, and the hashes are made to fit again ------------------------------------

VALUES: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 2**63, 10**30, 1e308, "", "x", "../../etc/passwd", "/etc/passwd", [], {}, [[]], {"$tensor": "x"},
    {"$dict": [[1, 2], [3]]}, {"$tuple": 3}, {"$float": "zz"}, {"$bytes": "?"}, {"$unknown": 1}, ["a"] * 3,
    {"kind": "Image"}, "translate.errors:PluginError", "???", "\0", "os.system",
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in nested JSON."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(document: Any, generator: random.Random) -> Any:
    """The document with one value replaced, removed or renamed."""
    copy = json.loads(json.dumps(document))
    path = generator.choice(list(places(copy)))
    inside = copy
    for key in path[:-1]:
        inside = inside[key]
    kind = generator.randrange(4)
    if kind == 0 and isinstance(inside, dict):
        del inside[path[-1]]
    elif kind == 1 and isinstance(inside, dict):
        inside[generator.choice(("x", "", "$tensor", "a/b", "../x", "__metadata__"))] = inside.pop(path[-1])
    else:
        inside[path[-1]] = generator.choice(VALUES)
    return copy


def lied(content: bytes, name: str, generator: random.Random) -> bytes:
    """A file of a checkpoint with one lie in its JSON, the header of a safetensors file among it."""
    if name.endswith(".json"):
        return json.dumps(changed(json.loads(content), generator)).encode()
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    kind = generator.randrange(6)
    if kind == 0:  # a length that is a lie
        return struct.pack("<Q", generator.choice((0, length + 8, 2**31, 2**63, 2**64 - 1))) + content[8:]
    if kind == 1:  # more or less data than the header says
        data = data[: generator.randrange(len(data))] if generator.random() < 0.5 else data + b"\0" * 8
    if kind == 2:  # a tensor that takes the whole memory
        entry = header[generator.choice([key for key in header if key != "__metadata__"])]
        entry["shape"] = generator.choice(([2**40], [2**62, 2**62], [0, 2**62], [1] * 70))
    text = json.dumps(header if kind in {1, 2} else changed(header, generator)).encode()
    return struct.pack("<Q", len(text)) + text + data


def forge(folder: Path, name: str, content: bytes) -> None:
    """Put a content into a checkpoint, and make the manifest say that it was always so."""
    import hashlib

    listed = dict(read_manifest(folder).files)
    listed[name] = (len(content), hashlib.sha256(content).hexdigest())
    (folder / name).write_bytes(content)
    (folder / MANIFEST).write_bytes(Manifest(step=read_manifest(folder).step, files=listed).to_bytes())
