"""Settings that are still `???` may be shown; names and expressions may not be missing."""

from __future__ import annotations

import pytest

from translate.errors import PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.dumping import dump

OPEN = ("training.steps=???", "networks.G.depth=???", "data.image_size=???", "inference.dropout=???")


def test_open_settings_stay_open_and_load_again(tmp_path):
    loaded = load_pipeline("pix2pix", OPEN, complete=False)
    assert loaded.resolved["data"]["root"] == "???"
    assert loaded.resolved["training"]["steps"] == "???"
    assert loaded.resolved["networks"]["G"]["depth"] == "???"
    assert loaded.resolved["data"]["image_size"] == "???"
    assert loaded.resolved["inference"]["dropout"] == "???"
    assert loaded.resolved["training"]["batch_size"] == 1
    file = tmp_path / "again.yaml"
    file.write_text(dump(loaded.resolved), encoding="utf-8")
    assert load_pipeline(file, complete=False).resolved == loaded.resolved


def test_training_needs_every_value():
    with pytest.raises(PipelineError) as caught:
        load_pipeline("pix2pix", OPEN)
    paths = {problem.path for problem in caught.value.problems}
    assert paths == {"data.root", *(text.partition("=")[0] for text in OPEN)}


@pytest.mark.parametrize(
    "override",
    ["networks.G.generator=???", "flow.fake=???", "data.dataset=???", "losses.reconstruction.of=???", "networks.G=???"],
)
def test_the_game_itself_must_be_given(override):
    with pytest.raises(PipelineError, match=r"\?\?\?|must be given") as caught:
        load_pipeline("pix2pix", [override], complete=False)
    assert override.partition("=")[0] in {problem.path for problem in caught.value.problems}
    assert "data.root" not in {problem.path for problem in caught.value.problems}


def test_other_problems_are_still_reported():
    with pytest.raises(PipelineError, match="no such key"):
        load_pipeline("pix2pix", ["networks.G.widht=32"], complete=False)
