"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, chunks: Iterable[bytes | memoryview], *, durable: bool = False) -> None:
    """Write a file; whoever looks at the path finds the old file or the complete new one, never a part.

    What cannot be written leaves nothing behind. The mode follows the umask.

    Args:
        path: The file; replaced where it is there.
        chunks: The content, in order.
        durable: Wait until it is on the disk before it gets its name: for what nobody can make again quickly.

    Raises:
        OSError: The disk refuses; the caller says what was to be written.
    """
    # Not derived from the file's name, which may already have the longest length that the disk takes.
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
