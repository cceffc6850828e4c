"""Progress on the terminal, or as plain lines in a log. Everything goes to the standard error stream."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from translate import hookimpl

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from translate.notices import Notice
    from translate.training.run import Run

_REFRESH: Final = 0.1
_NOT_A_LOSS: Final = ("lr", "learning_rate", "seconds", "skip")
_MEASURED: Final = (
    ".accuracy_real", ".accuracy_fake", ".score_real", ".score_fake", ".certain", ".to_chance", ".diversity",
    ".gradient_norm", ".update", ".not_finite",
)  # fmt: skip
_COLORS: Final = {"began": "yellow", "ended": "green"}


class Terminal:
    """Show how far the training is: steps, losses, speed, time left.

    Args:
        every: Seconds between two lines where there is no terminal (the first and the last are always written).
        losses: How many values are shown.
    """

    def __init__(self, *, every: Annotated[float, Field(ge=0)] = 10.0, losses: Annotated[int, Field(ge=0)] = 6) -> None:
        self._every = every
        self._losses = losses
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._begun = self._last = 0.0
        self._first_step = 0
        self._text = ""
        self._shown = False

    @hookimpl
    def translate_run_started(self, run: Run) -> None:
        """Put the bar up."""
        if not run.is_main:
            return
        self._begun, self._last, self._first_step, self._shown, self._text = (
            time.monotonic(),
            0.0,
            run.start_step,
            False,
            "",
        )
        if sys.stderr.isatty():
            self._progress = _progress()
            self._task = self._progress.add_task(
                run.name, total=run.steps, completed=run.start_step, values="", speed=""
            )
            self._progress.start()

    @hookimpl
    def translate_step_finished(self, run: Run, step: int) -> None:
        """Move the bar, now and then: this is called in every step."""
        if self._progress is None or self._task is None:
            return
        now = time.monotonic()
        if now - self._last >= _REFRESH:
            self._last = now
            self._progress.update(self._task, completed=step, speed=self._speed(step))

    @hookimpl
    def translate_step_logged(self, run: Run, step: int, values: Mapping[str, float]) -> None:
        """Show the losses."""
        if not run.is_main:
            return
        self._text = self._losses_text(values)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step, values=self._text, speed=self._speed(step))
        elif not self._shown or time.monotonic() - self._last >= self._every:
            self._last, self._shown = time.monotonic(), True
            self._line(run, step, f"{self._text}  {self._speed(step)}  {self._left(run, step)} left")

    @hookimpl
    def translate_noticed(self, run: Run, step: int, notice: Notice) -> None:
        """Say it above the bar, or as a line of its own."""
        if not run.is_main:
            return
        text = f"{notice.source}: {notice.text}"
        if notice.advice:
            text += f". Try: {'; '.join(notice.advice)}."
        if self._progress is None:
            self._line(run, step, text)
        else:
            from rich.text import Text  # no markup: names may hold brackets

            shown = Text(f"{run.name}  step {step}/{run.steps}  {text}", style=_COLORS.get(notice.state, ""))
            self._progress.console.print(shown)

    @hookimpl
    def translate_run_finished(self, run: Run, step: int, reason: str) -> None:
        """Take the bar down and say how it ended."""
        if not run.is_main:
            return
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=step)
            self._progress.stop()
            self._progress = self._task = None
        taken = timedelta(seconds=round(time.monotonic() - self._begun))
        self._line(run, step, f"{self._text}  {reason} after {taken}")

    def _line(self, run: Run, step: int, text: str) -> None:
        sys.stderr.write(f"{run.name}  step {step}/{run.steps}  {text.strip()}\n")
        sys.stderr.flush()

    def _losses_text(self, values: Mapping[str, float]) -> str:
        shown = [name for name in values if not name.startswith(_NOT_A_LOSS) and not name.endswith(_MEASURED)]
        return "  ".join(f"{name} {values[name]:.4g}" for name in shown[: self._losses])

    def _rate(self, step: int) -> float:
        taken = time.monotonic() - self._begun
        return (step - self._first_step) / taken if taken > 0 else 0.0

    def _speed(self, step: int) -> str:
        rate = self._rate(step)
        return f"{rate:.1f} steps/s" if rate >= 1 or rate == 0 else f"{1 / rate:.1f} s/step"

    def _left(self, run: Run, step: int) -> str:
        rate = self._rate(step)
        return str(timedelta(seconds=round((run.steps - step) / rate))) if rate > 0 else "?"


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # Plain text columns without markup: a run's name may hold brackets.
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeRemainingColumn(),
        TextColumn("{task.fields[values]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    )
