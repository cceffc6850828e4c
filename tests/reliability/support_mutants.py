"""Damaged pipeline files, and what the command line's loader makes of each: in forked children that can hang or die.

A child works through a share of the texts and writes one line for each. When it hangs or dies, the parent knows by
the lines which text it was, notes that, and forks another child for the rest.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMIT: Final = 1.0  # seconds for one text
"""A text that takes longer counts as a hang."""

_SNIPPETS = (
    b"\t \0 &a *a !!x [ ] { } \n : - ? | > ' \" % @ \xff \xef\xbb\xbf --- ... \\U # <<: 1e999 \xc2\x85 ??? ~ no on",
    b"1e-4 !!python/object/apply:os.system os.system https://example.org/x.yaml __import__('os') G(G(source))",
    b"extends: -1 .nan .inf 99999999999999999999 {a: 1} [1, 2] null true D. (( )) source.x ** lambda 1_000 0x1F",
)
SNIPPETS: Final = b" ".join(_SNIPPETS).split(b" ")


def mutant(chance: random.Random, content: bytes) -> bytes:
    """One to four damages: bytes or words changed, removed, inserted, doubled, moved; lines swapped; cut."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, size = chance.randrange(len(data)), chance.randint(1, 30)
        match chance.randrange(8):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = chance.choice([b"", b" ", b"\n"]) + chance.choice(SNIPPETS) + chance.choice([b"", b" "])
            case 3:
                data[at:at] = data[at : at + size] * chance.randint(1, 4)
            case 4:
                piece = data[at : at + size]
                del data[at : at + size]
                data[(target := chance.randrange(len(data) + 1)) : target] = piece
            case 5:
                words = list(re.finditer(rb"[\w.]+", data))
                if words:
                    word = chance.choice(words)
                    data[word.start() : word.end()] = chance.choice([*SNIPPETS, chance.choice(words).group()])
            case 6:
                lines = data.splitlines(keepends=True)
                one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
                lines[one], lines[two] = lines[two], lines[one]
                data = bytearray(b"".join(lines))
            case 7 if chance.random() < 0.2:
                del data[at:]
        data = data or bytearray(b" ")
    return bytes(data)


@dataclass(frozen=True)
class Outcome:
    """What became of one text: `refused`, `accepted`, `hang`, `died`, or `escaped` for anything but a typed error."""

    what: str
    text: str = ""
    seconds: float = 0.0


def check_command(file: Path) -> tuple[int, str]:
    """`translate show`: reads, merges and checks a file, without data; the exit code and what it wrote on stderr.

    Where the data is drawn by code, `translate check` follows: it opens the data and runs the game on the meta device.
    """
    from translate.cli import main

    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = main(["show", str(file)])
        if code == 0 and b"dataset: drawn" in file.read_bytes():
            code = main(["check", str(file)])
    return code, said.getvalue()


def judged(code: int, said: str, file: Path) -> Outcome:
    """Whether a refusal has the form that it must have."""
    if code == 0:
        return Outcome("accepted")
    problems = [
        line for line in said.splitlines() if line.startswith("  ") and not line.startswith(("  fix:", "  code:"))
    ]
    if code == 3 and "  code: E-DATA" in said and "Traceback" not in said:  # the pipeline is right, its data is not
        return Outcome("refused", said)
    placed = all(re.match(r"  \S.*?:\d+:\d+: ", line) for line in problems)  # or in a file that it extends
    if code in {2, 5} and problems and placed and "Traceback" not in said:
        return Outcome("refused", said)
    return Outcome("escaped", f"exit code {code}: {said}")


def tried(
    texts: Sequence[bytes], folder: Path, *, run: Callable[[Path], tuple[int, str]] = check_command
) -> list[Outcome]:
    """Try every text in forked children."""
    found: list[Outcome] = []
    while len(found) < len(texts):
        found += _share(texts, len(found), folder, run)
    return found


def _share(
    texts: Sequence[bytes], start: int, folder: Path, run: Callable[[Path], tuple[int, str]]
) -> Iterator[Outcome]:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _work(texts, start, folder, run, writing)
    os.close(writing)
    done = start
    with os.fdopen(reading, "r", encoding="utf-8") as lines:
        for line in lines:
            done += 1
            yield Outcome(*json.loads(line))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == -signal.SIGALRM:
        yield Outcome("hang", repr(texts[done][:2000]))
    elif status:
        yield Outcome("died", f"status {status}: {texts[done][:2000]!r}")


def _work(texts: Sequence[bytes], start: int, folder: Path, run: Callable[..., tuple[int, str]], writing: int) -> None:
    code = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the blow comes from the system, whatever the text does
        file = folder / "mutant.yaml"
        with os.fdopen(writing, "w", encoding="utf-8") as lines:
            for text in texts[start:]:
                file.write_bytes(text)
                signal.setitimer(signal.ITIMER_REAL, 5 * LIMIT)
                began = time.process_time()  # of this process: other work on the machine is not the text's fault
                try:
                    outcome = judged(*run(file), file)
                except BaseException as exc:
                    outcome = Outcome("escaped", f"{type(exc).__name__}: {exc}")
                took = time.process_time() - began
                signal.setitimer(signal.ITIMER_REAL, 0)
                what = "hang" if took > LIMIT else outcome.what
                lines.write(json.dumps([what, outcome.text or repr(text[:300]), round(took, 4)]) + "\n")
                lines.flush()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def figures(found: Sequence[Outcome]) -> dict[str, int]:
    """How many texts ended in each way."""
    kinds = ("refused", "accepted", "escaped", "hang", "died")
    return {"texts": len(found), **{kind: sum(one.what == kind for one in found) for kind in kinds}}
