"""Running the file in onnxruntime against PyTorch, at other sizes and batch sizes than the traced ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from translate import specs
from translate.exporting.plan import WHITE, Plan
from translate.exporting.sizes import padded
from translate.exporting.tracing import Level, example_inputs

Array = np.ndarray[Any, np.dtype[Any]]

BATCHES: Final = (1, 3)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """By how much pictures of integers may differ, in levels.

    Attributes:
        white: The largest level.
        largest: Largest difference.
        mean: Largest mean of the differences.
    """

    white: int
    largest: int
    mean: float


LIMITS: Final = {
    "uint8": Limit(white=255, largest=1, mean=0.001),
    "uint16": Limit(white=65535, largest=64, mean=0.257),
}
"""For 8 bits, one level in one value of a thousand: where a value lies at the border between two levels, any difference
shows. The mean difference of the values before rounding is then 0.001 levels. 16 bits are held to the same mean, which
is 0.257 of their levels; most values differ by a level or none, and none by more than a quarter of a level of 8 bits
(64), which is four times as strict as 8 bits can be."""
FEW: Final = 5
"""Levels in all that are always allowed: in a tiny picture a single one would be more than its share."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison.

    Attributes:
        batch: Examples.
        size: Height and width of the first image input, None where there is none.
        trained: Whether the size is the training's.
    """

    batch: int
    size: tuple[int, int] | None
    trained: bool = False

    def __str__(self) -> str:
        return f"batch {self.batch}" + (f" at {self.size[0]}x{self.size[1]}" if self.size else "")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a comparison found.

    Attributes:
        case: Where.
        difference: Largest difference: levels of 255 or 65535, or for floats in units of max(1, largest value).
        equal: Share of equal values.
        fits: Whether that is within the tolerance.
        problem: Why there was nothing to compare, else empty.
    """

    case: Case
    difference: float = float("inf")
    equal: float = 0.0
    fits: bool = False
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.case}: {self.problem or f'difference {self.difference:.3g}, {self.equal:.4%} equal'}"


def cases(plan: Plan, level: Level, *, float_only: bool) -> Iterator[Case]:
    """The training's size, a larger one, and an odd one that is no multiple (where the file pads); two batches each."""
    batches = (1,) if level == "fixed" else BATCHES
    sizes: list[tuple[int, int] | None] = [plan.size]
    if level == "free" and plan.size is not None:
        step = padded(8, plan.divisor)
        height, width = (padded(side, plan.divisor) for side in plan.size)
        odd = ((height + step // 2) | 1, (width + step // 4) | 1)
        sizes += [(height + step, width + step), (height + step, width) if float_only and plan.divisor > 1 else odd]
    for index, size in enumerate(sizes):
        for batch in batches:
            yield Case(batch=batch, size=size, trained=index == 0)


def verify(
    file: Path, module: nn.Module, plan: Plan, *, level: Level, float_only: bool, tolerance: float
) -> list[Measured]:
    """Compare a file with the module it was traced from.

    Returns:
        One result for each case, up to the first that does not fit; all fit if the last one does.
    """
    try:
        session = _session(file)
    except Exception as exc:  # noqa: BLE001  onnxruntime raises many kinds
        return [Measured(case=next(cases(plan, level, float_only=float_only)), problem=_said("cannot be opened", exc))]
    results: list[Measured] = []
    for case in cases(plan, level, float_only=float_only):
        results.append(_compare(session, module, plan, case, float_only=float_only, tolerance=tolerance))
        if not results[-1].fits:
            return results
    return results


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _compare(
    session: Any, module: nn.Module, plan: Plan, case: Case, *, float_only: bool, tolerance: float
) -> Measured:
    values = example_inputs(plan, case.batch, case.size, float_only=float_only, seed=case.batch)
    values = [_some_smooth(value, spec) for value, spec in zip(values, plan.inputs.values(), strict=True)]
    with torch.no_grad():
        expected: Array = module(*values).numpy()
    given = {name: value.numpy() for name, value in zip(plan.inputs, values, strict=True)}
    try:
        found: Array = session.run(None, given)[0]
    except Exception as exc:  # noqa: BLE001  onnxruntime raises many kinds
        return Measured(case=case, problem=_said("does not run", exc))
    if found.shape != expected.shape or found.dtype != expected.dtype:
        text = f"gives {found.dtype} {found.shape} instead of {expected.dtype} {expected.shape}"
        return Measured(case=case, problem=text)
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return Measured(case=case, problem="the network gives values that are not finite")
    return _judged(case, found, expected, tolerance)


def _judged(case: Case, found: Array, expected: Array, tolerance: float) -> Measured:
    limit = LIMITS.get(expected.dtype.name)
    if limit is not None:
        gap = np.abs(found.astype(np.int32) - expected.astype(np.int32))
        difference, equal = float(gap.max(initial=0)), float((gap == 0).mean())
        fits = difference <= limit.largest and bool(gap.sum() <= max(limit.mean * gap.size, FEW))
        return Measured(case=case, difference=difference, equal=equal, fits=fits)
    gap = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    difference = float(gap.max(initial=0) / max(1.0, np.abs(expected).max(initial=0)))
    return Measured(case=case, difference=difference, equal=float((gap == 0).mean()), fits=difference <= tolerance)


def _some_smooth(value: Tensor, spec: specs.Spec) -> Tensor:
    """Every second example becomes a gradient: where neighbours are alike, normalisation divides by little."""
    if not isinstance(spec, specs.Image) or len(value) < 2:
        return value
    baked = not value.is_floating_point()
    height, width = value.shape[1:3] if baked else value.shape[2:]
    plane = torch.linspace(0, 1, height)[:, None] * 0.7 + torch.linspace(0, 0.3, width)[None, :]
    levels = (plane * WHITE[spec.bits]).to(value.dtype)
    smooth = levels[None, :, :, None] if baked else plane * (spec.high - spec.low) + spec.low
    value = value.clone()
    value[1::2] = smooth
    return value


def _said(what: str, exc: Exception) -> str:
    lines = str(exc).strip().splitlines()
    return f"{what} in onnxruntime ({type(exc).__name__}: {lines[0][:200] if lines else ''})"
