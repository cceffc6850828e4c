"""A small right pipeline, and the problems of changed ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from translate.components import Catalogue
from translate.errors import PipelineError, Problem
from translate.pipeline import Pipeline, load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset

GAME = """\
data: {dataset: toy_data, image_size: 4}
latents:
  z: {latent: normal, size: 3}
schedules:
  growth: {schedule: linear, initial: 0.0, final: 1.0, end: 10}
networks:
  G: {generator: toy_dense, makes: target}
  D: {discriminator: toy_dense}
flow:
  fake: G(source, z)
losses:
  adversarial: {loss: bce, real: "D(source, target)", fake: "D(source, fake)"}
  reconstruction: {loss: l1, of: fake, to: target, weight: 100}
training:
  steps: 10
  batch_size: 4
preview: [source, fake]
export:
  translate: {inputs: [source, z], output: fake}
evaluation:
  metrics:
    distance: {metric: l1, of: fake, to: target}
  baseline: {by: source, give: target, instead_of: fake}
"""
JUDGE = "discriminator: toy_dense"


def sides(real: str, fake: str) -> tuple[str, str]:
    """The change by which the discriminator of `GAME` compares other things."""
    return 'real: "D(source, target)", fake: "D(source, fake)"', f'real: "{real}", fake: "{fake}"'


class Tried:
    """A changed pipeline and what came of it.

    Attributes:
        pipeline: If it could be loaded.
        problems: All that is wrong.
    """

    def __init__(self, text: str, folder: Path, catalogue: Catalogue, overrides: Sequence[str], *, whole: bool) -> None:
        self.file = folder / "game.yaml"
        self.file.write_text(text, encoding="utf-8")
        self.pipeline: Pipeline | None = None
        self.problems: tuple[Problem, ...] = ()
        try:
            self.pipeline = load_pipeline(self.file, overrides, catalogue=catalogue)
            if whole:
                check(self.pipeline, open_dataset(self.pipeline).fields, catalogue=catalogue)
        except PipelineError as exc:
            self.problems = exc.problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems)).replace(f"{self.file.parent}/", "")

    def only(self) -> str:
        """The text of the only problem."""
        assert len(self.problems) == 1, str(self)
        return str(self)


def change(*pairs: tuple[str, str]) -> str:
    """The small pipeline with texts replaced; a text that replaces nothing is appended."""
    text = GAME
    for old, new in pairs:
        assert not old or text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new) if old else text + new
    return text


def resolved_again(pipeline: Pipeline, catalogue: Catalogue) -> dict[str, Any]:
    """What the resolved form of a resolved pipeline is."""
    return dict(load_pipeline(pipeline.resolved, catalogue=catalogue).resolved)
