"""The small pictures that shipped pipelines are tried on, written once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_sets import write_small_sets


def state_of(root: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every file and folder."""
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(root.rglob("*"))}


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with every small data set; all tests read it and none may write there."""
    root = tmp_path_factory.mktemp("small_data")
    write_small_sets(root)
    before = state_of(root)
    yield root
    assert state_of(root) == before, "a test wrote into the data that all tests share"
