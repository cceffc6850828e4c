"""Operations, latents and schedules."""

from __future__ import annotations

import inspect
import math
from typing import Any, Final

import torch
from torch import nn

from translate.specs import Image, Spec
from translate.testing.rules import SEED, Case, same_bits, sample_tensor, seeded, shapes_in, tensors_in

_LOST: Final = "made anew from the same seed, it gives other values; a resumed run would differ"


def check_operation(case: Case) -> None:
    """Same shapes on the meta device, finite, deterministic under a seed; a module's state survives a checkpoint."""
    specs = _inputs(case)
    with seeded(1):
        values = [sample_tensor(spec) for spec in specs]
    with seeded():
        result = _apply(case, _built(case), values)
    case.require(tensors_in(result), "result", f"it returned {type(result).__name__} without a tensor")
    for tensor in tensors_in(result).values():
        case.require(torch.isfinite(tensor).all(), "finite", "the result has values that are not finite")
    if case.wants("meta"):
        with torch.device("meta"):
            on_meta = [sample_tensor(spec, device="meta") for spec in specs]
            made = _apply(case, _built(case, "meta"), on_meta, "meta")
        same = shapes_in(made) == shapes_in(result)
        case.require(same, "meta", f"shapes {shapes_in(made)} there, {shapes_in(result)} on the CPU")
    with seeded():
        again = _apply(case, _built(case), values)
    case.require(same_bits(result, again), "deterministic", "the same values and seed give another result")
    if inspect.isclass(case.entry.factory):
        _check_module(case, values)


def _inputs(case: Case) -> list[Spec]:
    if case.sample.inputs is not None:
        return list(case.sample.inputs)
    image = Image(3, 16, 16)
    return [spec for name in case.entry.schema.provided for spec in ([image] * (2 if name.startswith("*") else 1))]


def _built(case: Case, rule: str = "build") -> Any:
    if not inspect.isclass(case.entry.factory):
        return None
    built = case.build(rule=rule)
    case.require(isinstance(built, nn.Module), "build", "a class must be an nn.Module, so that its state is saved")
    return built


def _apply(case: Case, built: Any, values: list[Any], rule: str = "result") -> Any:
    with case.trying(rule, "calling it" if rule == "result" else f"calling it on the {rule} device"):
        return built(*values) if built is not None else case.entry.factory(*values, **case.choices())


def _check_module(case: Case, values: list[Any]) -> None:
    if case.wants("state"):
        with seeded():
            first = _built(case)
            for _ in range(3):
                _apply(case, first, [_changed(value) for value in values])
        second = _built(case)
        case.load_saved(first, second)
        results = []
        for each in (first, second):
            with seeded(SEED + 1):
                results.append([_apply(case, each, values) for _ in range(2)])
        case.require(same_bits(*results), "state", "it goes on differently after its state was loaded")
    live = getattr(case.entry.factory, "live", None)
    if live is not None and case.wants("live"):
        leaves = [value.detach().clone().requires_grad_() for value in values]
        with case.trying("live", "its method `live`"):
            result = _built(case).live(*leaves)
        reached = all(tensor.requires_grad for tensor in tensors_in(result).values())
        case.require(reached, "live", "`live` is called where a gradient is wanted, but its result has none")


def _changed(value: Any) -> Any:
    is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value + torch.rand_like(value) if is_float else value


def check_latent(case: Case) -> None:
    """Shape and type of its spec; all randomness from the generator it is given."""
    latent, anew = _made_twice(case)
    spec = getattr(latent, "spec", None)
    if not isinstance(spec, Spec):
        case.fail("result", f"`spec` must be a Spec (got {spec!r})")

    def draw(seed: int, latent: Any = latent) -> torch.Tensor:
        with case.trying("result", "`sample`"):
            generator = torch.Generator().manual_seed(seed)
            result: torch.Tensor = latent.sample(16, generator=generator, device=torch.device("cpu"))
            return result

    before = torch.get_rng_state()
    first = draw(1)
    untouched = torch.equal(before, torch.get_rng_state())
    case.require(untouched, "deterministic", "it draws from torch's global generator, not from the one it is given")
    expected = (16, *spec.shape)
    case.require(tuple(first.shape) == expected, "result", f"shape {tuple(first.shape)}, its spec says {expected}")
    found = str(first.dtype).removeprefix("torch.")
    case.require(found == spec.dtype, "result", f"dtype {found}, its spec says {spec.dtype}")
    case.require(torch.isfinite(first).all(), "finite", "it drew values that are not finite")
    case.require(same_bits(first, draw(1)), "deterministic", "the same generator state gives other values")
    case.require(not same_bits(first, draw(2)), "deterministic", "every generator gives the same values")
    case.require(same_bits(first, draw(1, anew)), "deterministic", _LOST)


def _made_twice(case: Case) -> tuple[Any, Any]:
    """It, and what a resumed run has of it: no state is saved of these, so they are made anew from the same seed."""
    with seeded():
        first = case.build()
    with seeded():
        return first, case.build()


def check_schedule(case: Case) -> None:
    """A finite float at every step, a function of the step alone."""
    schedule, anew = _made_twice(case)
    steps = (0, 1, 2, 10, 999, 1_000, 100_000, 10_000_000)
    values = {}
    for step in steps:
        with case.trying("result", f"calling it at step {step}"):
            values[step] = schedule(step)
        case.require(isinstance(values[step], float), "result", f"step {step} gives {values[step]!r}, not a float")
        case.require(math.isfinite(values[step]), "finite", f"step {step} gives {values[step]}")
    again = {step: schedule(step) for step in reversed(steps)}
    case.require(again == values, "pure", "a step's value depends on earlier calls; a resumed run would differ")
    case.require({step: anew(step) for step in steps} == values, "deterministic", _LOST)
