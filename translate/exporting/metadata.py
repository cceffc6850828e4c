"""What an exported file says about itself: strings in the file, the same as JSON beside it. Nothing of this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch

from translate import __version__, specs
from translate.components import Provider
from translate.exporting.plan import PIXELS, Plan
from translate.exporting.tracing import Level, output_name
from translate.exporting.verification import LIMITS, Measured
from translate.pipeline.dumping import dump
from translate.pipeline.private import without_paths

FORMAT_VERSION: Final = 1
_JSON_KEYS: Final = ("components", "inputs", "outputs", "dynamic_axes", "inference", "verification")

Why = Mapping[str, str]


def describe(plan: Plan, *, level: Level, float_only: bool, opset: int, fixed_because: str) -> dict[str, Any]:
    """Everything that is known before the file is verified, as plain data."""
    pipeline = plan.game.pipeline
    return {
        "format_version": str(FORMAT_VERSION),
        "created_by": f"translate-images {__version__}, torch {torch.__version__.partition('+')[0]}",
        "export": plan.name,
        "layout": "float" if float_only else "baked",
        "description": pipeline.description,
        "pipeline": dump(without_paths(pipeline.resolved, pipeline.dataset)),
        "step": str(plan.step),
        "opset": str(opset),
        "components": _components(plan),
        "inputs": [describe_input(plan, name, float_only=float_only) for name in plan.inputs],
        "outputs": [_output(plan, float_only=float_only)],
        "size_divisor": str(plan.divisor),
        "dynamic_axes": dynamic_axes(plan, level),
        "fixed_because": fixed_because,
        "inference": pipeline.inference.model_dump(),
    }


def with_measurement(document: Mapping[str, Any], results: Sequence[Measured], tolerance: float) -> dict[str, Any]:
    """The description completed by what the verification found."""
    measured = [
        {
            "batch": result.case.batch,
            "size": result.case.size,
            "difference": result.difference,
            "equal": result.equal,
        }
        for result in results
    ]
    dtype = document["outputs"][0]["dtype"]
    limit = LIMITS.get(dtype)
    return {
        **document,
        "verification": {
            "largest_difference": max(result.difference for result in results),
            "smallest_equal_share": min(result.equal for result in results),
            "unit": "of max(1, largest value)" if limit is None else f"levels of {limit.white}",
            "tolerance": tolerance if limit is None else limit.largest,
            "cases": measured,
        },
    }


def as_properties(document: Mapping[str, Any]) -> dict[str, str]:
    """The document as ONNX holds it: strings, JSON where the value is not one."""
    return {key: json.dumps(value) if key in _JSON_KEYS else str(value) for key, value in document.items()}


def dynamic_axes(plan: Plan, level: Level) -> list[str]:
    """Names of the dimensions that are free."""
    return {"free": ["batch", "height", "width"], "batch": ["batch"], "fixed": []}[level]


def _components(plan: Plan) -> dict[str, dict[str, str]]:
    pipeline, found = plan.game.pipeline, {}
    for node in plan.nodes():
        entry = node.operation[0] if node.operation else None
        if node.kind == "network":
            entry = pipeline.networks[node.name].entry
        elif node.kind == "input" and node.name in pipeline.latents:
            entry = pipeline.latents[node.name].entry
        if entry is not None:
            found[f"{entry.kind} {entry.name}"] = _provider(entry.provider)
    return dict(sorted(found.items()))


def _provider(provider: Provider) -> dict[str, str]:
    return {"plugin": provider.plugin, "distribution": provider.distribution, "version": provider.version}


def describe_input(plan: Plan, name: str, *, float_only: bool) -> dict[str, Any]:
    """What a file says of one of its inputs: kind, type, size, classes, value range, and the law of a latent."""
    spec = plan.inputs[name]
    base: dict[str, Any] = {"name": name, "kind": type(spec).__name__.lower(), "dtype": spec.dtype}
    if isinstance(spec, specs.Image):
        base |= _image(float_only=float_only, baked_dtype=_pixel_type(spec.bits))
        base |= {"channels": spec.channels, "height": spec.height, "width": spec.width}
        base["value_range"] = [spec.low, spec.high]
    elif isinstance(spec, specs.Label):
        base["classes"] = spec.classes
    else:
        base["shape"] = list(spec.shape)
    if name in plan.game.latents:
        base["law"] = _law(plan, name)
    return base


def _law(plan: Plan, name: str) -> dict[str, Any]:
    """How a latent is drawn: what the latent says of itself in `law`, else its component's name and choices.

    `translate.inference.latents` draws by the laws that it knows, whatever component stated them.
    """
    use, stated = plan.game.pipeline.latents[name], getattr(plan.game.latents[name], "law", None)
    if isinstance(stated, Mapping):
        return dict(stated)
    return {"name": use.name, **{key: value for key, value in use.choices.items() if isinstance(value, int | float)}}


def _output(plan: Plan, *, float_only: bool) -> dict[str, Any]:
    base: dict[str, Any] = {"name": output_name(plan), "kind": plan.kind, "dtype": "float32"}
    if plan.kind == "image":
        base |= _image(float_only=float_only, baked_dtype="float32" if plan.range is None else _pixel_type(plan.bits))
        base["value_range"] = None if plan.range is None else list(plan.range)
        base["scale"] = None if plan.scale is None else [float(scale) for scale in plan.scale]
    return base


def _pixel_type(bits: int) -> str:
    return str(PIXELS[bits]).removeprefix("torch.")


def _image(*, float_only: bool, baked_dtype: str) -> dict[str, str]:
    return {"layout": "NCHW", "dtype": "float32"} if float_only else {"layout": "NHWC", "dtype": baked_dtype}
