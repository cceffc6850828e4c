"""The parent's side: what is checked before and after the child has read a foreign file.

What the child left is data of a stranger as well: sizes and the header are checked, and only tensors that were read
from it are written, by the project's own writer.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from translate.disk import write_whole
from translate.errors import ModelFileError, UsageError, did_you_mean
from translate.foreign import PICKLED, printable
from translate.importing.child import RESULT, WEIGHTS
from translate.training import files
from translate.training.tensorfile import read_tensors, tensor_chunks

SECONDS: Final = 120
_GRACE: Final = 30  # for the start of the process
_LEAST_MEMORY: Final = 2 << 30
_MAX_RESULT: Final = 64 << 20
_LONGEST_NAME: Final = 80  # of a tensor in a message
_KEPT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "HOME", "LANG", "SYSTEMROOT")
_CHILD: Final = Path(__file__).with_name("child.py")
_SAVE_ALONE: Final = "where you trust the file, save its tensors alone: torch.save(model.state_dict(), FILE)"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor of a foreign file: its name, type and shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """What a foreign file holds.

    Attributes:
        file: The file.
        tensors: By name; the names of nested mappings are joined by points.
        left_out: What else is in it, with its type.
    """

    file: Path
    tensors: Mapping[str, Tensor]
    left_out: tuple[str, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The tensors as they are listed."""
        return tuple(
            Entry(name, str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
            for name, tensor in self.tensors.items()
        )

    def part(self, name: str) -> Foreign:
        """Only the tensors below a name, without it.

        Raises:
            UsageError: There are none.
        """
        start = f"{name}."
        found = {key.removeprefix(start): tensor for key, tensor in self.tensors.items() if key.startswith(start)}
        if not found:
            tops = sorted({printable(key.partition(".")[0], _LONGEST_NAME) for key in self.tensors})
            listing = ", ".join(tops[:8]) or "none"
            raise UsageError(
                f"the file has no part '{name}'.{did_you_mean(name, tops)} Its tensors begin with: {listing}.",
                fix="leave --part out to see all that is in it",
            )
        return Foreign(file=self.file, tensors=found, left_out=self.left_out)


def read_foreign(file: str | Path, *, memory: int | None = None, seconds: int = SECONDS) -> Foreign:
    """Read the tensors of a file that torch pickled, in a process of its own with limits.

    Args:
        file: A `.pth` or `.pt` file, from anywhere.
        memory: Bytes that the process may take; four times the file, and 2 GiB at least, by default.
        seconds: How long it may take.

    Raises:
        ModelFileError: The file is missing, damaged, holds more than weights, or needs more than is allowed.
    """
    file = Path(file)
    memory = memory or max(_LEAST_MEMORY, 4 * _size(file))
    with tempfile.TemporaryDirectory(prefix="translate-import-") as name, files.disk_errors(Path(name)):
        folder = Path(name)
        told = _read_in_child(file, folder, memory, seconds)
        if (error := told.get("error")) is not None:
            fix = "allow more with --memory" if told.get("limit") else _SAVE_ALONE
            raise ModelFileError(f"the file is refused: {printable(error)}", where=str(file), fix=fix)
        try:
            tensors, _ = read_tensors(folder / WEIGHTS)
        except (ModelFileError, OSError) as exc:
            raise ModelFileError("the file is refused: what came of it is no weights", where=str(file)) from exc
    left_out = told.get("left_out")
    listed = tuple(printable(item) for item in left_out) if isinstance(left_out, list) else ()
    return Foreign(file=file, tensors=tensors, left_out=listed)


def check_output(output: str | Path) -> Path:
    """Check the name of the file to be written, before anything is read.

    Raises:
        UsageError: It has another ending, or is there.
    """
    output = Path(output)
    if output.suffix != ".safetensors":
        raise UsageError(f"the output must end in .safetensors (got '{output.name}')", fix="--output FILE.safetensors")
    if os.path.lexists(output):
        raise UsageError("the output is there already", where=str(output), fix="remove it, or give another --output")
    return output


def import_weights(foreign: Foreign, output: str | Path) -> Path:
    """Write the tensors of a foreign file as safetensors.

    Args:
        foreign: From `read_foreign`.
        output: A file that does not exist yet, ending in `.safetensors`.

    Raises:
        UsageError: The output has another ending, or is there.
        MachineError: It cannot be written.
    """
    output = check_output(output)
    size, chunks = tensor_chunks(foreign.tensors, {"format": "pt"})
    with files.disk_errors(output, needed=size):
        output.parent.mkdir(parents=True, exist_ok=True)
        write_whole(output, chunks, durable=True)
    return output


def _size(file: Path) -> int:
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelFileError("this is a folder or a special file, not a file of weights", where=str(file))
        with file.open("rb") as opened:
            start = opened.read(4)
    except (OSError, ValueError) as exc:  # ValueError: a name with a null character
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ModelFileError(f"the file cannot be read ({reason})", where=str(file), fix="give a .pth file") from exc
    if not start.startswith(PICKLED):
        raise ModelFileError("this is no file that torch.save wrote", where=str(file), fix="give a .pth file")
    return status.st_size


def _read_in_child(file: Path, folder: Path, memory: int, seconds: int) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    words = [sys.executable, "-P", str(_CHILD), str(file.absolute()), str(folder), str(memory), str(seconds)]
    nothing = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603  this interpreter, a script of ours, no shell
            words, cwd=folder, env=environment, stdin=nothing, stdout=nothing, stderr=nothing, timeout=seconds + _GRACE,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        what = f"the file is refused: reading it takes longer than {seconds} s"
        raise ModelFileError(what, where=str(file), fix="allow more with --seconds") from exc
    result = folder / RESULT
    try:
        if result.stat().st_size > _MAX_RESULT:
            return {"error": "what it holds cannot be listed"}
        told = json.loads(result.read_bytes())
    except (OSError, ValueError, RecursionError):
        how = f"by signal {-done.returncode}" if done.returncode < 0 else f"with exit code {done.returncode}"
        return {"error": f"the process that read it ended {how}", "limit": done.returncode < 0}
    return told if isinstance(told, dict) else {"error": "what it holds cannot be listed"}
