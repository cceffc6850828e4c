"""Files that torch pickled: known by their first bytes, opened by nothing but `translate import-weights`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from translate.errors import ModelFileError

PICKLED: Final = (b"PK\x03\x04", b"\x80")
"""How torch's two formats begin: a zip archive, and pickles one after another."""


def refuse_pickled(path: Path, start: bytes | None = None) -> None:
    """Refuse a file that begins as those of `torch.save` do, and say what to do with it; others pass.

    Args:
        path: The file.
        start: Its first bytes; read from it when None.

    Raises:
        ModelFileError: It is one.
    """
    if start is None:
        with path.open("rb") as file:
            start = file.read(4)
    if start.startswith(PICKLED):
        raise ModelFileError(
            "this looks like a file that torch.save wrote; opening one can run what is in it, so it is not opened here",
            where=str(path),
            fix="for its weights: translate import-weights FILE.pth --output FILE.safetensors",
        )
