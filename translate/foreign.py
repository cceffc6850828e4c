"""Files of strangers: what they say is shown with care, and those that torch pickled are known by their first bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from translate.errors import ModelFileError

PICKLED: Final = (b"PK\x03\x04", b"\x80")
"""How torch's two formats begin: a zip archive, and pickles one after another."""


_LONGEST: Final = 300


def printable(text: object, most: int = _LONGEST) -> str:
    r"""A stranger's words as they may stand in a message: what cannot be printed is `?`, and what is long is cut.

    A terminal obeys control characters, and a text without end would push the message out of sight. For a path, which
    must still be found by what is shown, there is `translate.pictures.shown`.

    Args:
        text: What a file says.
        most: Characters that are kept.

    >>> printable("conv\x1b[31m", 5)
    'conv?'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:most])


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
