"""What components do is looked at where they are called: in the check on the meta device, and in every iteration.

A component that gives nothing, another shape or type than in the check, or that changes what it was given would
otherwise be noticed somewhere else, under the name of an innocent one, or not at all. The looks cost a few
microseconds a call and never wait for the device: values are not looked at (a loss that is not finite is the business
of `translate.training.guard`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from translate.components import OWN_DISTRIBUTION, Entry
from translate.errors import ANYTHING, PluginError, TranslateError
from translate.pipeline.settings import Path_, Use
from translate.pipeline.trees import tensors
from translate.specs import Image, Spec

Call = Callable[..., Any]
Form = tuple[tuple[tuple[int, ...], torch.dtype], ...]
"""Shape without the batch, and type, of each tensor of a value."""


class ComponentFault(Exception):  # noqa: N818  # what a component did, which the caller says of which
    """A component did what its contract forbids."""


def form(value: Any) -> Form:
    """The form of a nested value."""
    return tuple((tuple(tensor.shape[1:]), tensor.dtype) for tensor in tensors(value))


def watched(function: Call, *, expected: Form | None = None, gives_tensors: bool = True) -> Call:
    """A function that calls another one and looks at what it did.

    Args:
        function: What is called.
        expected: The form of its result in the check; None where it may change from step to step.
        gives_tensors: Whether its result must hold a tensor.

    Raises:
        ComponentFault: (By the function that is returned) it broke its contract.
    """
    # Nearly all give one tensor, and nearly all that is right is known of it at once: `form` costs as much as the rest.
    known = expected if expected is not None else (((), torch.float32),)
    shape, dtype = known[0] if len(known) == 1 else ((), None)
    any_shape = expected is None

    def call(*args: Any, **kwargs: Any) -> Any:
        given: list[torch.Tensor] = []
        for value in (*args, *kwargs.values()) if kwargs else args:
            if type(value) is torch.Tensor:
                given.append(value)
            else:
                given.extend(tensors(value))
        before = [0 if tensor.is_inference() else tensor._version for tensor in given]  # noqa: SLF001
        result = function(*args, **kwargs)
        if before != [0 if tensor.is_inference() else tensor._version for tensor in given]:  # noqa: SLF001
            msg = "it changed a value that it was given in place; it must work on a copy"
            raise ComponentFault(msg)
        if type(result) is torch.Tensor and result.dtype is dtype and (any_shape or result.shape[1:] == shape):
            return result
        found = form(result)
        if not found and (gives_tensors or result is None):
            msg = f"it gave {_said(result)} and no tensor"
            raise ComponentFault(msg)
        if found != expected:
            _look(found, given, expected)
        return result

    return call


def _look(found: Form, given: Sequence[torch.Tensor], expected: Form | None) -> None:
    """Compare a result with its form in the check, and its types with those of what was given."""
    if expected is not None and [shape for shape, _ in found] != [shape for shape, _ in expected]:
        msg = f"it gave {_shapes(found)} for each example, and {_shapes(expected)} in the check"
        raise ComponentFault(msg)
    types = {tensor.dtype for tensor in given}
    usual = {dtype for _, dtype in expected} if expected is not None else {torch.float32}
    for _, dtype in found:
        if dtype not in types | usual and (dtype == torch.float64 or expected is not None):
            msg = f"it gave {_type(dtype)}, which nothing that it was given is"
            raise ComponentFault(msg)


def check_made(value: Any, named: Mapping[str, Spec | Mapping[str, Spec]]) -> None:
    """Whether a network made the picture that it was asked to make.

    Raises:
        ComponentFault: It did not.
    """
    made = named.get("makes")
    if isinstance(made, Image) and isinstance(value, torch.Tensor) and tuple(value.shape[1:]) != made.shape:
        msg = f"it was asked to make {made} and gave {_shapes(form(value))} for each example"
        raise ComponentFault(msg)


def check_drawn(value: Any, spec: Spec) -> None:
    """Whether a latent drew what it says it draws.

    Raises:
        ComponentFault: It did not.
    """
    if not isinstance(value, torch.Tensor) or tuple(value.shape[1:]) != spec.shape:
        found = _shapes(form(value)) if isinstance(value, torch.Tensor) else _said(value)
        msg = f"it drew {found} for each example, and says that it draws {spec}"
        raise ComponentFault(msg)


def check_loss(value: Any) -> None:
    """Whether a loss gave a loss.

    Raises:
        ComponentFault: It did not.
    """
    if not isinstance(value, torch.Tensor):
        msg = f"a loss must be a tensor (got {_said(value)})"
        raise ComponentFault(msg)
    if value.ndim:
        msg = f"a loss must be a single number (got a tensor of shape {tuple(value.shape)})"
        raise ComponentFault(msg)
    if not value.is_floating_point():
        msg = f"a loss must be a floating-point number (got {_type(value.dtype)})"
        raise ComponentFault(msg)


def check_number(value: Any) -> float:
    """The number that a schedule gave.

    Raises:
        ComponentFault: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"a schedule must give a finite number (got {_said(value)})"
        raise ComponentFault(msg)
    return float(value)


def checked_schedule(use: Use, schedule: Callable[[int], float]) -> Callable[[int], float]:
    """A schedule whose failure is said in its name."""

    def at(step: int) -> float:
        try:
            return check_number(schedule(step))
        except TranslateError:
            raise
        except ANYTHING as exc:
            raise failure(use, exc) from exc

    return at


def failure(use: Use, exc: BaseException) -> PluginError:
    """The error of a component that failed, with its provider."""
    return component_failed(f"{use.entry.kind} '{use.name}'", use.path, [use.entry], exc)


def component_failed(what: str, path: Path_, entries: Iterable[Entry], exc: BaseException) -> PluginError:
    """The error of something that failed, with what supplied it: of several components, those that are to blame.

    Args:
        what: What failed, as a pipeline's author calls it.
        path: Where it stands in the pipeline.
        entries: Everything that took part.
        exc: What was raised.
    """
    entries = list(entries)
    blamed = entries if len(entries) == 1 else to_blame(exc, entries)
    names = dict.fromkeys(f"{entry.kind} '{entry.name}' from {entry.provider}" for entry in blamed)
    supplied = f" ({', '.join(names)})" if names else ""
    authors = dict.fromkeys(entry.provider.distribution for entry in blamed)
    return PluginError(
        f"{what}{supplied} failed: {first_line(exc)}",
        where=".".join(map(str, path)),
        fix=f"report this to the authors of {', '.join(authors)}, or use another component" if authors else None,
    )


def foreign(entry: Entry) -> bool:
    """Whether a component comes from a plugin of somebody else."""
    return entry.provider.distribution != OWN_DISTRIBUTION


def to_blame(exc: BaseException, entries: Iterable[Entry]) -> list[Entry]:
    """Of some components, those of others in whose package an exception arose; all of those where it shows none."""
    others = [entry for entry in entries if foreign(entry)]
    packages = {module.partition(".")[0] for module in modules_of(exc)}
    return [entry for entry in others if module_of(entry).partition(".")[0] in packages] or others


def module_of(entry: Entry) -> str:
    """The module of a component's factory."""
    return entry.component.target.partition(":")[0]


def modules_of(exc: BaseException) -> set[str]:
    """Names of the modules that an exception came through."""
    trace, found = exc.__traceback__, set[str]()
    while trace is not None:
        found.add(str(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    return found


def first_line(exc: BaseException) -> str:
    """An exception's type and the first line of what it says."""
    if isinstance(exc, ComponentFault):
        return str(exc)
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {lines[0]}" if lines else type(exc).__name__


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"a {type(value).__name__}"


def _shapes(found: Form) -> str:
    return ", ".join("x".join(map(str, shape)) or "one number" for shape, _ in found) or "nothing"


def _type(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
