"""Says in plain words when a training goes wrong, and what to try."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from translate import hookimpl
from translate.errors import NumbersError
from translate.notices import Notice
from translate_plugins.observers.health_advice import Settings, advice
from translate_plugins.observers.health_judge import Change, Finding, Judge, Known
from translate_plugins.observers.metrics_file import FILE

if TYPE_CHECKING:
    from translate.training.run import Run

SOURCE: Final = "health"


class Health:
    """Watch the logged values for what goes wrong with adversarial training, and say it once.

    It sees values that are not finite, gradients that explode, networks that do not learn, discriminators that are
    without doubt or worse than chance, and outputs that are all alike (mode collapse). Each is judged over a window of
    logged steps and said when it begins and when it ends, with what to try; after the run all is summed up. A
    healthy run hears nothing. It reads what is logged anyway: no network is called, no step waits, no bit changes.

    The diversity of outputs is that of a batch, at the logged steps; where a batch has fewer than four examples, that
    of the previews. It sees outputs that are the same picture, not a class that is missing: for that use the metrics
    `classifier` and `modes`. Critics of a Wasserstein loss are not judged by their outputs, which have no unit.

    When a run goes on, it first reads `metrics.jsonl`, so that it goes on with what it knew and repeats nothing.

    Args:
        window: Logged steps that a judgment is based on. Fewer find more, and raise more false alarms.
        on_divergence: What follows where something is wrong: say = it is said, and the training goes on; stop = the
            training ends with exit code 7, its last checkpoint kept. Three things end nothing: values that are not
            finite (`training.patience` does), a learning rate that has come to 0, and what is seen at the last step.
    """

    def __init__(
        self, *, window: Annotated[int, Field(ge=3)] = 10, on_divergence: Literal["say", "stop"] = "say"
    ) -> None:
        self._window, self._stops = window, on_divergence == "stop"
        self._judge: Judge | None = None
        self._settings: Settings | None = None
        self._shown: dict[str, tuple[str, str]] = {}
        self._seen: list[tuple[Finding, int, int | None]] = []
        self._saved: Path | None = None

    @hookimpl(trylast=True)
    def translate_run_started(self, run: Run) -> None:
        """Begin, or go on with what was seen before."""
        if not run.is_main:
            return
        phases = run.pipeline.phases
        turns = {name: turn.learn for phase in phases for name, turn in phase.turns.items()}
        self._judge = Judge(Known(turns, run.pipeline.training.precision == "fp16"), self._window)
        self._settings = Settings.of(run.pipeline)
        self._shown, self._seen = _shown_pairs(run), []
        from translate.training.run import CHECKPOINTS

        begun_at = run.folder / CHECKPOINTS / f"{run.start_step:06d}"
        self._saved = begun_at if begun_at.is_dir() else None
        if run.start_step:
            self._remember(run.folder / FILE, run.start_step)

    @hookimpl(trylast=True)
    def translate_step_logged(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        """Judge the values; after the others have written them."""
        if self._judge is None:
            return
        if any(name.endswith(".diversity") for name in values):
            self._shown = {}  # batches are large enough
        self._say(run, step, self._judge.judge(values))

    @hookimpl(trylast=True)
    def translate_preview_ready(self, run: Run, step: int, pictures: Mapping[str, Any]) -> None:
        """Judge the diversity of what the previews show."""
        if self._judge is None or not step:
            return
        from translate.pipeline.measuring import is_comparable, spread

        for term, (made, given) in self._shown.items():
            if made in pictures and given in pictures and is_comparable(pictures[made], pictures[given]):
                ratio = float(spread(pictures[made])) / max(float(spread(pictures[given])), 1e-12)
                self._say(run, step, self._judge.judge_preview(term, ratio))

    @hookimpl
    def translate_checkpoint_saved(self, folder: Path) -> None:
        """Remember the newest, to name it."""
        self._saved = folder

    @hookimpl(tryfirst=True)
    def translate_run_finished(self, run: Run, step: int) -> None:
        """Sum up what was seen, while the others still listen."""
        if self._judge is None or not self._seen:
            return
        parts = [
            f"{finding.text} (from step {begun} {'on' if over is None else f'to {over}'})"
            for finding, begun, over in self._seen
        ]
        text = f"seen in this run: {'; '.join(parts)}"
        run.tell(step, Notice(source=SOURCE, kind="summary", about="", state="summary", text=text))
        self._judge = None

    def _say(self, run: Run, step: int, changes: Sequence[Change]) -> None:
        assert self._settings is not None
        for change in changes:
            finding = change.finding
            begun = self._note(step, change)
            said: tuple[str, ...] = advice(finding, self._settings) if change.begins else ()
            text = finding.text if change.begins else f"over since step {begun}: {finding.text}"
            state: Any = "began" if change.begins else "ended"
            run.tell(
                step,
                Notice(source=SOURCE, kind=finding.kind, about=finding.about, state=state, text=text, advice=said),
            )
        if self._stops and step < run.steps:
            self._end(run, step)

    def _end(self, run: Run, step: int) -> None:
        """End the training while something is wrong, also what was so before a run went on."""
        assert self._judge is not None
        assert self._settings is not None
        ill = [each for each in self._judge.active.values() if each.kind != "not_finite" and each.hint != "lr"]
        if not ill:
            return
        kept = f"the newest checkpoint is {self._saved}" if self._saved else "there is no checkpoint yet"
        fork = f"; --fork {self._saved} begins it there" if self._saved else ""
        tried = dict.fromkeys(way for finding in ill for way in advice(finding, self._settings)[:2])
        raise NumbersError(
            f"the training has gone wrong (seen at step {step}): {'; '.join(each.text for each in ill)}; {kept}",
            where=str(run.folder),
            fix=f"begin a new run (--out NEW{fork}); to try: {'; '.join(tried)}. To let this one go on: health without "
            "on_divergence: stop",
        )

    def _note(self, step: int, change: Change) -> int:
        """Keep it for the summary; returns the step at which it began."""
        if change.begins:
            self._seen.append((change.finding, step, None))
            return step
        for index, (finding, begun, over) in enumerate(self._seen):
            if over is None and (finding.kind, finding.about) == (change.finding.kind, change.finding.about):
                self._seen[index] = (finding, begun, step)
                return begun
        return step

    def _remember(self, path: Path, last: int) -> None:
        """Judge again, silently, what the run has logged up to a step."""
        assert self._judge is not None
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError:
            return  # without it the windows begin anew
        for line in lines:
            try:
                entry = json.loads(line)
                step = int(entry.pop("step"))
                values = {} if SOURCE in entry else {name: float(value) for name, value in entry.items()}
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if values and step <= last:
                for change in self._judge.judge(values):
                    self._note(step, change)


def _shown_pairs(run: Run) -> dict[str, tuple[str, str]]:
    """What the previews show of what a discriminator compares: by term, the text of the outputs and of the data."""
    from translate.pipeline.expressions import to_text
    from translate.pipeline.measuring import comparison

    game, pipeline = run.game, run.pipeline
    texts = {game.add(shown, ("preview", index)): to_text(shown) for index, shown in enumerate(pipeline.preview)}
    generators = frozenset(name for name in pipeline.networks if pipeline.side(name) == "generators")
    pairs = {}
    for term, nodes in game.term_nodes[-1].items():
        if {"real", "fake"} <= nodes.keys():
            found = comparison(game.graphs[-1].nodes, generators, nodes["real"], nodes["fake"])
            made = next((texts[index] for index in found.generated if index in texts), None)
            given = next((texts[index] for index in found.given if index in texts), None)
            if made and given:
                pairs[term] = (made, given)
    return pairs
