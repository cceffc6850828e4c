"""What an evaluation found: as an object, as JSON, as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate.disk import write_whole
from translate.privacy import without_places
from translate.training.files import disk_errors

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """An evaluation of one model on one split.

    Attributes:
        run: Name of the run's folder.
        checkpoint: Folder of what was measured.
        step: Its training step.
        split: The split it was measured on; `latents` where nothing depended on data.
        n: Examples.
        values: By metric, or `metric.part`.
        intervals: 95 % interval by metric: of the mean, where it judges each example, or the metric's own.
        baseline: The values that retrieval gets, for metrics that depend on what it stands in for; None = no baseline.
        baseline_intervals: As `intervals`, for the baseline.
        ratio: Value of the output divided by that of the baseline, where that is not zero.
        unavailable: By metric, why it could not be measured (weights that are not there) and what to do.
        overlap: Held-out examples with a picture that is in the training data too; None = not looked for.
        seconds: Duration of the whole evaluation.
        device: Where the networks ran.
        versions: Of Python, of this package, of torch, and of each metric's provider.
        warnings: What a reader should know before trusting the numbers.
        files: Files that were written.
    """

    run: str
    checkpoint: str
    step: int
    split: str
    n: int
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    baseline: Mapping[str, float] | None
    baseline_intervals: Mapping[str, tuple[float, float]]
    ratio: Mapping[str, float]
    overlap: int | None
    seconds: float
    device: str
    versions: Mapping[str, str]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, with null for the values that are not finite or unavailable.

        It names no place and no address of this machine: the checkpoint is named by its place in the run's folder (or
        by its own name, where it stands elsewhere), the files by their names, and texts lose what `without_places`
        cuts. Keys, and words such as the split's, stay as they are.
        """
        plain = {item.name: _plain(getattr(self, item.name)) for item in fields(self)}
        checkpoint = Path(self.checkpoint)
        inside = checkpoint.parent.name == "checkpoints"
        plain["checkpoint"] = f"checkpoints/{checkpoint.name}" if inside else checkpoint.name
        plain["files"] = [file.name for file in self.files]
        plain["values"] |= dict.fromkeys(self.unavailable)
        return plain

    def table(self) -> Table:
        """The report for a terminal: one row for each value."""
        from rich.table import Table

        title = f"{self.run}, step {self.step}, {self.split} split, {self.n} examples"
        table = Table(title=title, title_justify="left")
        table.add_column("metric", overflow="fold")
        headings = ["value", "95 % interval"]
        headings += [] if self.baseline is None else ["retrieval", "ratio"]
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        for name, value in self.values.items():
            cells = [number(value), _interval(self.intervals.get(name))]
            if self.baseline is not None:
                cells += [number(self.baseline.get(name)), number(self.ratio.get(name))]
            table.add_row(name, *cells)
        for name in self.unavailable:
            table.add_row(name, "unavailable", *["-"] * (len(headings) - 1))
        return table


def write_json(report: EvaluationReport, path: Path) -> None:
    """Write a report; a file that is there is replaced at once, never half.

    Raises:
        MachineError: The disk refuses.
    """
    text = json.dumps(report.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, [text.encode()])


def number(value: float | None) -> str:
    """A value as it is shown, with four significant digits; a dash for none."""
    return "-" if value is None else f"{value:.4g}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{number(interval[0])} to {number(interval[1])}"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return without_places(value) if isinstance(value, str) else value
