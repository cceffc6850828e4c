"""What a run's folder holds after whatever happened to it: is everything whole, and is it what it should be?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from translate.errors import ModelFileError
from translate.training.checkpoint import find_checkpoints, load_checkpoint
from translate.training.manifest import read_manifest

MOST_LINES = 4


def whole(folder: Path) -> dict[str, Any]:
    """The newest checkpoint that can be read, how many cannot, and what is left half done."""
    newest, unreadable = 0, 0
    checkpoints = folder / "checkpoints"
    for step, path in find_checkpoints(checkpoints):
        try:
            assert load_checkpoint(path).step == step
            newest = step
        except ModelFileError:
            unreadable += 1
    return {"newest": newest, "unreadable": unreadable, "left": left(folder)}


def left(folder: Path) -> list[str]:
    """Temporaries in a run's folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


def end(folder: Path, step: int) -> dict[str, Any]:
    """All bits of a checkpoint (by its hashes: weights, averages, optimisers, random state) and of the metrics."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("seconds_per_step", None)
    return {
        "files": {k: list(v) for k, v in read_manifest(folder / "checkpoints" / f"{step:06d}").files.items()},
        "metrics": lines,
        "left": left(folder),
        "locked": (folder / "run.lock").exists(),
    }


def problems_of_block(text: str, code: str, *says: str) -> list[str]:
    """What is wrong with the message of a failed command: its form, or something that it does not say."""
    lines = [line for line in text.splitlines() if line.strip()]
    begin = next((n for n, line in enumerate(lines) if line.startswith("error: ")), None)
    if begin is None:
        return [f"no error block in {text!r}"]
    block = lines[begin:]
    found = [f"{len(block)} lines"] if len(block) > MOST_LINES else []
    found += ["a traceback"] if "Traceback" in text else []
    found += [f"no code {code}"] if code not in "\n".join(block) else []
    found += [f"does not say '{word}'" for word in says if word not in "\n".join(block)]
    return [f"{problem}: {text!r}" for problem in found]
