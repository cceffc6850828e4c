"""What may be in a folder in which a run is to start."""

from __future__ import annotations

from typing import Any

import pytest

from translate.errors import UsageError
from translate.training.run import prepare_folder

ANY_PIPELINE: Any = None  # there is no checkpoint, so it is compared with nothing


@pytest.mark.parametrize("left", ["run.lock", "report-20260101-120000-7.txt", ".000004.new-7-7"])
def test_what_a_start_left_that_was_killed_or_failed_is_no_hindrance(tmp_path, left):
    (tmp_path / left).touch()
    prepare_folder(tmp_path, ANY_PIPELINE)


@pytest.mark.parametrize("foreign", ["holiday.txt", "run.lock.txt", "report.txt"])
def test_what_is_not_ours_is(tmp_path, foreign):
    (tmp_path / foreign).touch()
    with pytest.raises(UsageError, match="holds other files"):
        prepare_folder(tmp_path, ANY_PIPELINE)
