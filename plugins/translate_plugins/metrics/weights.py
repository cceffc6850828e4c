"""Weights of foreign networks that metrics use: looked for where they would lie, never downloaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from translate.errors import ModelFileError
from translate.importing import read_foreign

_HASH = re.compile(r"-([0-9a-f]{8,})\.pth\Z")


def weights_path(url: str) -> Path:
    """Where torch's hub looks for a file before it would download it."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def missing_weights(url: str) -> str | None:
    """What is wrong with a file of weights and what to do; None where it is there and whole.

    Args:
        url: Where it comes from. Its name ends in the first digits of its SHA-256.
    """
    path = weights_path(url)
    if not path.is_file():
        return f"its weights are not at {path}. Get {url} and put the file there"
    expected = _HASH.search(path.name)
    if expected is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if not found.startswith(expected[1]):
            return f"{path} is damaged or another file (its SHA-256 begins with {found[:8]}). Get {url} again"
    return None


@contextmanager
def known_randomness() -> Iterator[None]:
    """The same state of torch's generator at every call, and the old one after: foreign code draws from it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def refuse_code(url: str) -> None:
    """Refuse a file of weights that holds anything but tensors: the libraries that load it would run what is in it.

    It is looked into by a process of its own, as for `translate import-weights`.

    Raises:
        ModelFileError: It holds something else, or cannot be read.
    """
    path = weights_path(url)
    try:
        foreign = read_foreign(path)
    except ModelFileError as exc:
        what = f"the file cannot be read as weights: {exc.what}"
        raise ModelFileError(what, where=str(path), fix=f"get {url} again") from exc
    if not foreign.tensors:
        raise ModelFileError("the file holds no weights", where=str(path), fix=f"get {url} again")
