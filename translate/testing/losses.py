"""Losses and metrics."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from translate.testing.rules import BATCH, Case, same_bits, seeded, tensors_in


def check_loss(case: Case) -> None:
    """Each side gives a finite number without dimensions, and a gradient reaches what it was given."""
    schema = case.entry.schema
    for side, names in schema.sides.items():
        wanted = [name for name in names if schema.expressions[name]]
        values, leaves = _expressions(case, wanted)
        result = _loss_of(case, side, values)
        label = "it" if side == "both" else f"the {side} side"
        is_number = isinstance(result, torch.Tensor) and result.ndim == 0 and result.is_floating_point()
        case.require(is_number, "result", f"{label} must return a 0-d float tensor (got {_shown(result)})")
        case.require(torch.isfinite(result).all(), "finite", f"{label} is not finite: {result}")
        again = _loss_of(case, side, _expressions(case, wanted)[0])
        case.require(same_bits(result, again), "deterministic", f"{label} differs for the same values and seed")
        if case.wants("gradient"):
            _check_gradient(case, label, result, leaves)


def _check_gradient(case: Case, label: str, result: torch.Tensor, leaves: Mapping[str, torch.Tensor]) -> None:
    wanted = {name: leaf for name, leaf in leaves.items() if name not in case.sample.constants}
    if not wanted:
        return
    case.require(result.requires_grad, "gradient", f"{label} is cut from everything it was given")
    gradients = torch.autograd.grad(result, list(wanted.values()), allow_unused=True)
    for name, gradient in zip(wanted, gradients, strict=True):
        reached = gradient is not None and bool(gradient.ne(0).any()) and bool(torch.isfinite(gradient).all())
        case.require(reached, "gradient", f"none (or none that is finite) reaches '{name}' of {label}")


def _loss_of(case: Case, side: str, values: Mapping[str, Any]) -> Any:
    with seeded():
        if not inspect.isclass(case.entry.factory):
            with case.trying("result", "calling it"):
                return case.entry.factory(**values, **case.choices())
        built = case.build()
        with case.trying("result", f"its method `{side}`"):
            return getattr(built, side)(**values)


def _expressions(case: Case, names: list[str]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Values for the expressions, and by name the leaves that a gradient must reach.

    Where there is an `at` (gradient penalties), the others are computed from it by way of a weight, as a network's
    output is, and the gradient must reach the weight.
    """
    with seeded(1):
        if case.sample.values is not None:
            values = {name: value for name, value in case.sample.values().items() if name in names}
            leaves = {f"{name}{'.' * bool(path)}{path}": leaf for name, value in values.items()
                      for path, leaf in tensors_in(value).items() if leaf.requires_grad and leaf.is_leaf}  # fmt: skip
            return values, leaves
        if "at" in names:
            at = torch.randn(BATCH, 3, 8, 8, requires_grad=True)
            weights = {name: torch.randn(3, 8, 8, requires_grad=True) for name in names if name != "at"}
            made = {name: (at * weight).tanh().sum((1, 2, 3))[:, None] for name, weight in weights.items()}
            return {**made, "at": at}, {f"the network behind {name}": weight for name, weight in weights.items()}
        images = {name: (torch.rand(BATCH, 3, 16, 16) * 2 - 1).requires_grad_() for name in names}
        return dict(images), images


def check_metric(case: Case) -> None:
    """Finite numbers of the forms that evaluation knows, also for identical images; torch's generator is left alone."""
    schema = case.entry.schema
    names = [name for name, required in schema.expressions.items() if required]
    if case.sample.values is not None:
        trials = {"the sample's values": case.sample.values()}
    else:
        with seeded(1):
            images = {name: torch.rand(BATCH, 3, 32, 32) for name in names}
        trials = {"identical images": dict.fromkeys(names, next(iter(images.values()))), "random images": images}
    if inspect.isclass(case.entry.factory) and _is_unavailable(case):
        return
    for what, values in trials.items():
        if inspect.isclass(case.entry.factory):
            _check_class_metric(case, what, values)
            continue
        with seeded(), case.trying("result", f"calling it with {what}"):
            result = case.entry.factory(**values, **case.choices())
        per_example = isinstance(result, torch.Tensor) and tuple(result.shape) == (BATCH,)
        case.require(per_example, "result", f"must return one value per example, ({BATCH},) (got {_shown(result)})")
        case.require(torch.isfinite(result).all(), "finite", f"{what} give {result.tolist()}")


def _is_unavailable(case: Case) -> bool:
    """Whether the metric lacks something on this machine; then it must say what."""
    built = case.build()
    if not hasattr(built, "unavailable"):
        return False
    with case.trying("result", "its method `unavailable`"):
        reason = built.unavailable()
    right = reason is None or (isinstance(reason, str) and bool(reason))
    case.require(right, "result", f"`unavailable` must return None or what is missing (got {_shown(reason)})")
    return reason is not None


def _check_class_metric(case: Case, what: str, values: Mapping[str, Any]) -> None:
    with seeded():
        before = torch.get_rng_state()
        result = _measured(case, what, values)
        case.require(torch.equal(before, torch.get_rng_state()), "pure", "it draws from torch's global generator")
    parts = list(result.values()) if isinstance(result, Mapping) else [result]
    forms = "a float, one value for each example, or (float, (low, high)), or these by name"
    wrong = next((part for part in parts if _numbers(part) is None), None)
    case.require(parts and wrong is None, "result", f"`compute` must return {forms} (got {_shown(result)})")
    numbers = [number for part in parts for number in _numbers(part) or []]
    case.require(torch.isfinite(torch.tensor(numbers)).all(), "finite", f"{what} give {result}")
    with seeded():
        again = _measured(case, what, values)
    same = [_numbers(part) for part in (again.values() if isinstance(again, Mapping) else [again])]
    case.require(same == [_numbers(part) for part in parts], "deterministic", "it differs for the same values and seed")


def _measured(case: Case, what: str, values: Mapping[str, Any]) -> Any:
    """What a new metric computes from the values given twice, to `fit` and, after a copy, to `update`."""
    schema = case.entry.schema
    given = {side: {name: values[name] for name in names if name in values} for side, names in schema.sides.items()}
    built = case.build()
    if given.get("fit"):
        with case.trying("result", f"`fit` with {what}"):
            built.fit(**given["fit"])
            built.fit(**given["fit"])
            if hasattr(built, "fitted"):
                built.fitted()
        with case.trying("state", "copying what it learned"):
            built = copy.deepcopy(built)
    with case.trying("result", f"`update` and `compute` with {what}"):
        built.update(**given["update"])
        built.update(**given["update"])
        result = built.compute()
        texts = built.warnings() if hasattr(built, "warnings") else []
    are_texts = isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)
    case.require(are_texts, "result", f"`warnings` must return a list of texts (got {_shown(texts)})")
    return result


def _numbers(part: Any) -> list[float] | None:
    """The numbers of one part of a metric's result; None where it has none of the forms that a part may have."""
    if isinstance(part, float):
        return [part]
    if isinstance(part, torch.Tensor | np.ndarray) and part.ndim == 1 and len(part):
        return [float(number) for number in part]
    if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], float):
        value, ends = part
        if ends is None:
            return [value]
        if isinstance(ends, tuple) and len(ends) == 2 and all(isinstance(end, float) for end in ends):
            return [value, *ends]
    return None


def _shown(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}".replace("torch.", "")
    return f"{type(value).__name__} {value!r}"[:80]
