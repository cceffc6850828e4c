"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

# Before anything imports albumentations: it asks the package index for its newest version otherwise.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
if "PYTEST_XDIST_WORKER" in os.environ:  # one thread for each test process, or they would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device is there")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of sample pictures beside the checkout; tests that need it are skipped without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the sample data folder ../shared/data is not there")
    return SHARED_DATA
