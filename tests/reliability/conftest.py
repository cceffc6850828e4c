"""What the record must know of the test in progress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import record


@pytest.fixture(autouse=True)
def _told_to_the_record(request: pytest.FixtureRequest) -> Iterator[None]:
    record._test["marked"] = request.node.get_closest_marker("reliability") is not None
    yield
    record._test["marked"] = False
