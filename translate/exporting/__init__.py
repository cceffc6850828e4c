"""ONNX export: a trained flow as one verified file that needs nothing from us.

A file is written under a temporary name, checked, run in onnxruntime at several sizes and batch sizes against PyTorch,
and gets its name only then. See `translate.exporting.graph` for what is inside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from translate.exporting.exporter import Report
    from translate.training.opening import Opened

__all__ = ["export", "export_all", "export_report"]


def export(
    source: str | Path | Opened,
    *,
    name: str | None = None,
    output: str | Path | None = None,
    float_only: bool = False,
    opset: int = 18,
    tolerance: float = 1e-4,
) -> Path:
    """Write one of a run's exports as an ONNX file, verified in onnxruntime, with a JSON sidecar of the same name.

    Args:
        source: A run's folder, one of its checkpoints, or either already opened.
        name: Which entry of the pipeline's `export` section; may be left out where there is only one (`export_all`
            writes all of them).
        output: The file; `exports/NAME.onnx` in the run's folder when None.
        float_only: The bare network: float32 N x C x H x W in and out, in the pipeline's value range.
        opset: ONNX operator set; 18 is the lowest that torch writes and the most widely understood.
        tolerance: Largest difference to PyTorch of a float output, in units of max(1, largest value). A uint8 output
            must equal in 99.9 % of its values and may differ by one level in the others. A uint16 output may differ by
            0.257 levels in the mean, which is as much, and by 64 (a quarter of a level of 8 bits) at most.

    Returns:
        The file. Whether its sizes are free or fixed stands in its metadata; `export_report` says it in Python.

    Raises:
        UsageError: No such export, several of which none is named, or the output would overwrite something else.
        PipelineError: The export entry cannot work, such as an input that it does not name.
        ModelFileError: The source cannot be opened, torch cannot export the network, or the file differs from PyTorch.
        MachineError: The file cannot be written.
    """
    return export_report(source, name=name, output=output, float_only=float_only, opset=opset, tolerance=tolerance).file


def export_report(
    source: str | Path | Opened,
    *,
    name: str | None = None,
    output: str | Path | None = None,
    float_only: bool = False,
    opset: int = 18,
    tolerance: float = 1e-4,
) -> Report:
    """Do what `export` does, and return what it found out besides the file."""
    from translate.exporting.exporter import export_opened

    target = None if output is None else Path(output)
    opened = _opened(source)
    return export_opened(opened, name=name, output=target, float_only=float_only, opset=opset, tolerance=tolerance)


def export_all(
    source: str | Path | Opened,
    *,
    float_only: bool = False,
    opset: int = 18,
    tolerance: float = 1e-4,
    done: Callable[[Report], None] | None = None,
) -> list[Report]:
    """Do what `export` does for every entry of the pipeline's `export` section: `exports/NAME.onnx` for each.

    The first that cannot be exported ends it; the files before it stay. `done` is called after each.
    """
    from translate.exporting.exporter import export_opened
    from translate.exporting.plan import export_names

    opened, reports = _opened(source), []
    for name in export_names(opened.game):
        report = export_opened(opened, name=name, output=None, float_only=float_only, opset=opset, tolerance=tolerance)
        reports.append(report)
        if done is not None:
            done(report)
    return reports


def _opened(source: str | Path | Opened) -> Opened:
    if not isinstance(source, str | Path):
        return source
    from translate.training.opening import open_trained

    return open_trained(Path(source))
