"""What may be in a folder in which a run is to start."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from translate.errors import UsageError
from translate.pipeline import load_pipeline
from translate.pipeline.dumping import dump
from translate.pipeline.settings import Pipeline
from translate.training.run import PIPELINE, prepare_folder

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


SETTINGS: dict[str, Any] = {
    "data": {"dataset": "drawn", "image_size": 16, "workers": 0},
    "networks": {"G": {"generator": "resnet", "makes": "target", "width": 4, "blocks": 1}},
    "flow": {"fake": "G(source)"},
    "losses": {"reconstruction": {"loss": "l1", "of": "fake", "to": "target"}},
    "training": {"steps": 2},
}


@pytest.fixture
def recorded(tmp_path) -> tuple[Pipeline, dict[str, Any]]:
    """A run that has a checkpoint: its pipeline, and what is recorded of it."""
    pipeline = load_pipeline(SETTINGS)
    (tmp_path / "checkpoints" / "000001").mkdir(parents=True)
    return pipeline, copy.deepcopy(dict(pipeline.resolved))


def record(folder: Path, document: Mapping[str, Any]) -> None:
    (folder / PIPELINE).write_text(dump(document))


@pytest.mark.parametrize("section", ["training", "data", "networks.G", "losses.reconstruction", "inference"])
def test_a_setting_that_came_after_a_run_was_started_has_its_default_there(tmp_path, recorded, section):
    pipeline, document = recorded
    given: Any = SETTINGS
    inside: Any = document
    for part in section.split("."):
        given, inside = given.get(part, {}), inside[part]
    defaulted = [key for key in inside if key not in given]
    assert defaulted
    for key in defaulted:
        value = inside.pop(key)
        record(tmp_path, document)
        prepare_folder(tmp_path, pipeline)
        inside[key] = value


def test_a_recorded_value_is_never_taken_for_the_default(tmp_path, recorded):
    pipeline, document = recorded
    record(tmp_path, {**document, "training": {**document["training"], "accumulate": 2}})
    with pytest.raises(UsageError, match=r"other settings: training\.accumulate: 2 -> 1"):
        prepare_folder(tmp_path, pipeline)


@pytest.mark.parametrize("change", [{"loss": "of_a_plugin_that_is_gone"}, {"loss": "l1", "weightt": 2}])
def test_what_cannot_be_loaded_any_more_is_compared_as_it_stands(tmp_path, recorded, change):
    pipeline, document = recorded
    document["losses"]["reconstruction"] |= change
    record(tmp_path, document)
    with pytest.raises(UsageError, match=r"this run was started with other settings: losses\.reconstruction\."):
        prepare_folder(tmp_path, pipeline)
