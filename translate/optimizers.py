"""Optimisers: the classes of `torch.optim` by lower-case name, with settings checked against their signatures."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from translate.errors import ComponentError, did_you_mean

DEFAULT: Final = "adam"
CORE_KEYS: Final = frozenset({"name", "lr", "clip_norm", "clip_value", "clip_weights"})
"""Keys of an optimiser's settings that the training itself reads."""

# LBFGS needs a closure, SparseAdam sparse gradients, Muon matrices only.
_LEFT_OUT: Final = frozenset({"optimizer", "lbfgs", "sparseadam", "muon"})
_NO_SETTINGS: Final = frozenset({"params", "lr", "differentiable"})
# How the arithmetic is done, not what it is: never part of a saved state.
_IMPLEMENTATION: Final = ("fused", "foreach", "capturable", "differentiable")

_SIDE: Final = 2
"""Of the weights that are tried: a side of 1 in what is kept for them is 1 for every weight."""

Problem = tuple[tuple[str | int, ...], str]


@functools.cache
def optimizer_classes() -> Mapping[str, type[torch.optim.Optimizer]]:
    """The optimisers that can be named, by name."""
    classes = {
        name.lower(): value
        for name, value in vars(torch.optim).items()
        if inspect.isclass(value) and issubclass(value, torch.optim.Optimizer)
    }
    return {name: classes[name] for name in sorted(classes) if name not in _LEFT_OUT}


def check_optimizer(settings: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with an optimiser's settings.

    Args:
        settings: `name`, the keys that the training reads (`CORE_KEYS`, not checked here), and the optimiser's own.

    Returns:
        All problems, each with the path of its key below the settings. Empty when there is none.
    """
    name = settings.get("name", DEFAULT)
    classes = optimizer_classes()
    if not isinstance(name, str) or name not in classes:
        hint = did_you_mean(str(name), classes)
        return [(("name",), f"'{name}' is not an optimiser.{hint} Available: {', '.join(classes)}.")]
    allowed = _parameters(name)
    problems: list[Problem] = []
    for key in settings:
        if key not in CORE_KEYS and key not in allowed:
            hint = did_you_mean(str(key), [*allowed, *sorted(CORE_KEYS)])
            problems.append(
                ((key,), f"'{key}' is not a setting of {name}.{hint} Allowed: {', '.join(sorted(allowed))}.")
            )
        elif key in allowed and (wrong := _wrong_type(allowed[key].default, settings[key])):
            problems.append(((key,), f"{wrong} (got {settings[key]!r})"))
    return problems or _wrong_values(name, settings)


def build_optimizer(
    settings: Mapping[str, Any], parameters: Iterable[nn.Parameter], *, lr: float | None = None
) -> torch.optim.Optimizer:
    """Build an optimiser; the fused implementation is chosen where class and device have one.

    Args:
        settings: See `check_optimizer`. `lr` and the clips are not read from here.
        parameters: What it moves.
        lr: The learning rate of the first step (None: the class's own, until `set_lr`).

    Raises:
        ComponentError: A setting is wrong, or there are no parameters.
    """
    problems = check_optimizer(settings)
    if problems:
        path, message = problems[0]
        raise ComponentError(message, where=".".join(map(str, path)) or None, fix="see translate.optimizers")
    chosen = list(parameters)
    if not chosen:
        raise ComponentError("there are no parameters to train", fix="name a network that has weights under `learn`")
    name = settings.get("name", DEFAULT)
    choices = _choices(settings) | ({} if lr is None else {"lr": lr})
    constructor: Any = optimizer_classes()[name]
    if _may_be_fused(name, choices, chosen):
        try:
            return constructor(chosen, **(choices | {"fused": True}))  # type: ignore[no-any-return]
        except RuntimeError:  # this device or dtype has no fused kernel
            pass
    return constructor(chosen, **choices)  # type: ignore[no-any-return]


def kept_for(settings: Mapping[str, Any], shape: Sequence[int]) -> dict[str, Any]:
    """What an optimiser keeps for a weight of this shape, found by trying; no random number is used up.

    Args:
        settings: See `check_optimizer`.
        shape: Of the weight.
    """
    trial = nn.Parameter(torch.zeros(*shape))
    optimizer = build_optimizer(settings, [trial], lr=0.0)
    trial.grad = torch.zeros_like(trial)
    with torch.random.fork_rng(devices=[]):
        optimizer.step()
    return dict(optimizer.state[trial])


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups; one that is held as a tensor (capturable optimisers) is filled in place."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


@torch.no_grad()
def clip_weights(parameters: Iterable[nn.Parameter], c: float, *, unless: Tensor | bool = False) -> None:
    """Clamp parameters to [-c, c] (Arjovsky et al. 2017, arXiv 1701.07875, algorithm 1). Buffers are not parameters.

    Args:
        parameters: What is clamped, in place.
        c: The bound.
        unless: Where this is true nothing changes; a truth value on a device is not waited for.
    """
    if unless is True:
        return
    if isinstance(unless, Tensor):
        bound = torch.where(unless.bool(), math.inf, c)
        for parameter in parameters:
            parameter.clamp_(-bound, bound)
        return
    for parameter in parameters:
        parameter.clamp_(-c, c)


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state for a checkpoint: `state_dict` without which implementation was chosen on this machine."""
    state = optimizer.state_dict()
    groups = [
        {key: value for key, value in group.items() if key not in _IMPLEMENTATION} for group in state["param_groups"]
    ]
    return {"state": state["state"], "param_groups": groups}


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, state: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """Go on from what `optimizer_state` returned, with the implementation chosen on this machine.

    Args:
        optimizer: Built, over the same parameters.
        state: From `optimizer_state`.
        settings: Those that `optimizer` was built with.

    Raises:
        ValueError: It belongs to other parameters, or another optimiser: torch finds that out in the middle of a step.
    """
    groups = []
    for group, own in zip(state["param_groups"], optimizer.param_groups, strict=True):
        _check_settings(group, own)
        here = {key: own[key] for key in _IMPLEMENTATION if key in own}
        groups.append(own | group | here)  # settings that a newer torch knows are this one's
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
    _check_kept(optimizer, settings)


def take_over_moments(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Take over what an optimiser of the same kind kept, under this one's settings; on an error nothing is changed.

    Args:
        optimizer: Built, over the same parameters.
        state: From `optimizer_state`.
        settings: Those that `optimizer` was built with.

    Raises:
        ValueError: It belongs to other parameters, or to an optimiser that keeps other things.
    """
    before = optimizer.state_dict()
    if _counts(state["param_groups"]) != _counts(before["param_groups"]):
        msg = "it had other weights"
        raise ValueError(msg)
    try:
        optimizer.load_state_dict({"state": state["state"], "param_groups": before["param_groups"]})
        _check_kept(optimizer, settings)
    except ValueError:
        optimizer.load_state_dict(before)
        raise


def _counts(groups: Sequence[Mapping[str, Any]]) -> list[int]:
    return [len(group["params"]) for group in groups]


def _check_settings(group: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    for key in group.keys() & own.keys() - {"params"}:
        if _form(group[key]) != _form(own[key]):
            msg = f"the optimiser's setting '{key}' is {group[key]!r}, which is not of its form"
            raise ValueError(msg)


def _form(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_form(item) for item in value]
    return float if type(value) in {int, float} or isinstance(value, torch.Tensor) else type(value)


def _check_kept(optimizer: torch.optim.Optimizer, settings: Mapping[str, Any]) -> None:
    """What it keeps must be what it would keep by itself: the fused implementations read by a weight's own shape.

    Raises:
        ValueError: It is something else.
    """
    templates: dict[int, Mapping[str, Any]] = {}
    for parameter, each in optimizer.state.items():
        if parameter.ndim not in templates:
            templates[parameter.ndim] = kept_for(settings, (_SIDE,) * parameter.ndim)
        template = templates[parameter.ndim]
        unfit = [key for key, value in each.items() if not _fits(value, template.get(key), parameter)]
        unfit += sorted(template.keys() - each.keys())
        if each and unfit:
            msg = f"what the optimiser keeps as '{unfit[0]}' does not fit its parameters"
            raise ValueError(msg)


def _fits(value: Any, template: Any, parameter: torch.Tensor) -> bool:
    """Whether a value is of the form that is kept for a weight of as many sides, each of `_SIDE`."""
    if not isinstance(value, torch.Tensor) or not isinstance(template, torch.Tensor):
        return type(value) is type(template)
    sides = [1 if side == 1 else own for side, own in zip(template.shape, parameter.shape, strict=False)]
    return (
        list(value.shape) == sides
        and value.dtype in {template.dtype, parameter.dtype}
        and value.layout == torch.strided
    )


def _parameters(name: str) -> dict[str, inspect.Parameter]:
    found = inspect.signature(optimizer_classes()[name]).parameters
    return {key: parameter for key, parameter in found.items() if key not in _NO_SETTINGS}


def _choices(settings: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in settings.items() if key not in CORE_KEYS}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}


def _wrong_type(default: Any, value: Any) -> str:
    """Compare a value with the type of the class's default; what has no default is left to the class itself."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "must be true or false"
    if isinstance(default, int | float):
        return "" if _is_number(value) else "must be a finite number"
    if isinstance(default, tuple):
        fits = isinstance(value, list | tuple) and len(value) == len(default) and all(map(_is_number, value))
        return "" if fits else f"must be a list of {len(default)} numbers, such as {list(default)}"
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wrong_values(name: str, settings: Mapping[str, Any]) -> list[Problem]:
    """Let the class itself judge: it checks ranges when it is built."""
    constructor: Any = optimizer_classes()[name]
    try:
        constructor([nn.Parameter(torch.zeros(2, 2))], **_choices(settings))
    except (ValueError, TypeError, RuntimeError) as exc:
        return [((_blamed(str(exc), settings),), f"{name} refuses its settings: {exc}")]
    return []


def _blamed(message: str, settings: Mapping[str, Any]) -> str:
    """The key that the class's message is about, by its name in it."""
    words = message.lower().replace("_", " ")
    names = {"beta": "betas"}
    for key in settings:
        if key not in CORE_KEYS and (key.replace("_", " ").lower() in words):
            return key
    return next((key for word, key in names.items() if word in words and key in settings), "name")


def _may_be_fused(name: str, choices: Mapping[str, Any], parameters: Iterable[nn.Parameter]) -> bool:
    if "fused" not in _parameters(name) or any(choices.get(key) is not None for key in ("fused", "foreach")):
        return False
    # torch's fused SGD takes the first gradient as the momentum buffer; with dampening a skipped first step
    # (see translate.training.engine) could not be made up for.
    if name == "sgd" and choices.get("momentum", 0) != 0 and choices.get("dampening", 0) != 0:
        return False
    return all(parameter.is_floating_point() for parameter in parameters)
