"""Generators and discriminators."""

from __future__ import annotations

import inspect
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args, get_origin

import torch
from torch import nn

from translate.specs import Image, Spec
from translate.testing.rules import (
    BATCH,
    SEED,
    Case,
    same_bits,
    sample_spec,
    sample_tensor,
    seeded,
    shapes_in,
    tensors_in,
)

TOLERANCE = 1e-4


def check_network(case: Case) -> None:
    """Every rule for a network; see the functions below."""
    inputs = _inputs(case)
    with seeded(1):
        values = [sample_tensor(spec) for spec in inputs]
    network, result = _trained_forward(case, inputs, values)
    case.require(isinstance(network, nn.Module), "build", f"the factory made a {type(network).__name__}, not a Module")
    case.require(tensors_in(result), "result", f"forward returned {type(result).__name__} without a tensor")
    for path, tensor in tensors_in(result).items():
        case.require(torch.isfinite(tensor).all(), "finite", f"output {path} has values that are not finite".strip())
    _check_made(case, result)
    _check_meta(case, inputs, result)
    _check_gradient(case, network, result)
    if case.wants("deterministic"):
        again = _trained_forward(case, inputs, values)[1]
        case.require(same_bits(result, again), "deterministic", "the same seed gives another network or output")
    _check_state(case, network, inputs, values)
    if case.sample.onnx and case.wants("onnx"):
        _check_onnx(case, network.eval(), inputs, values)


def check_parametrization(case: Case) -> None:
    """A small convolutional network whose weights the component parametrises passes what every network must."""

    def build() -> nn.Module:
        layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 8, 2)]
        made = case.build(nn.Sequential(*layers))
        case.require(isinstance(made, nn.Module), "build", f"the factory made a {type(made).__name__}, not a Module")
        return cast("nn.Module", made)

    spec = Image(3, 8, 8)
    with seeded(1):
        values = [sample_tensor(spec)]
    with seeded():
        network = build()
        result = network(*values)
    case.require(tuple(result.shape) == (BATCH, 2), "result", f"the network now makes {tuple(result.shape)}")
    case.require(torch.isfinite(result).all(), "finite", "the network now makes values that are not finite")
    _check_gradient(case, network, result)
    with seeded():
        case.require(same_bits(result, build()(*values)), "deterministic", "the same seed gives another output")
    with seeded(SEED + 1):
        other = build()
    case.load_saved(network, other)
    with torch.no_grad():
        case.require(
            same_bits(network.eval()(*values), other.eval()(*values)), "state", "the output differs after loading"
        )


def _inputs(case: Case) -> list[Spec]:
    if case.sample.inputs is not None:
        return list(case.sample.inputs)
    parameters = inspect.signature(case.entry.factory, eval_str=True).parameters.values()
    return [sample_spec(p.annotation) for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.VAR_POSITIONAL}]


def _specs_for_choices(case: Case) -> dict[str, Any]:
    """Specs for the parameters that take them: the sample's, or made-up ones where one is required."""
    found: dict[str, Any] = {}
    for choice in case.entry.schema.choices:
        if choice.name in case.sample.choices and choice.takes_spec:
            found[choice.name] = case.sample.choices[choice.name]
        elif choice.takes_spec and choice.required:
            is_mapping = isinstance(get_origin(choice.annotation), type) and issubclass(
                get_origin(choice.annotation), Mapping
            )
            spec = sample_spec(get_args(choice.annotation)[-1] if is_mapping else choice.annotation)
            found[choice.name] = {"a": spec, "b": spec} if is_mapping else spec
    return found


def _build(case: Case, inputs: list[Spec], rule: str = "build") -> Any:
    return case.build(*inputs, rule=rule, **_specs_for_choices(case))


def _trained_forward(case: Case, inputs: list[Spec], values: list[Any]) -> tuple[Any, Any]:
    with seeded():
        network = _build(case, inputs)
        with case.trying("result", "forward"):
            return network, network(*values)


def _check_made(case: Case, result: Any) -> None:
    makes = _specs_for_choices(case).get("makes")
    if isinstance(makes, Spec) and isinstance(result, torch.Tensor):
        expected = (BATCH, *makes.shape)
        found = tuple(result.shape)
        case.require(found == expected, "makes", f"asked to make {makes}, made {'x'.join(map(str, found))}")


def _check_meta(case: Case, inputs: list[Spec], result: Any) -> None:
    if not case.wants("meta"):
        return
    with case.trying("meta", "running it on the meta device"), torch.device("meta"):
        made = _build(case, inputs, "meta")(*[sample_tensor(spec, device="meta") for spec in inputs])
    case.require(
        shapes_in(made) == shapes_in(result), "meta", f"shapes {shapes_in(made)} there, {shapes_in(result)} on the CPU"
    )


def _check_gradient(case: Case, network: nn.Module, result: Any) -> None:
    if not case.wants("gradient"):
        return
    with seeded(2):
        total = sum((tensor * torch.randn_like(tensor)).sum() for tensor in tensors_in(result).values())
    with case.trying("gradient", "the backward pass"):
        total.backward()  # type: ignore[union-attr]
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            reached = parameter.grad is not None and bool(parameter.grad.ne(0).any())
            case.require(reached, "gradient", f"none reaches parameter '{name}'")
            finite = parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
            case.require(finite, "gradient", f"that of parameter '{name}' is not finite")


def _check_state(case: Case, network: nn.Module, inputs: list[Spec], values: list[Any]) -> None:
    if not case.wants("state"):
        return
    with seeded(SEED + 1):
        other = _build(case, inputs)
    case.load_saved(network, other)
    case.require(same_bits(network.state_dict(), other.state_dict()), "state", "the state changes when it is loaded")
    outputs = []
    for each in (network, other):
        each.eval()
        with seeded(3), torch.no_grad():
            outputs.append(each(*values))
    case.require(same_bits(*outputs), "state", "the output differs after its state was loaded into another one")


def _check_onnx(case: Case, network: nn.Module, inputs: list[Spec], values: list[Any]) -> None:
    import onnxruntime

    with torch.no_grad():
        expected = list(tensors_in(network(*values)).values())
    feeds = [tensor.numpy() for value in values for tensor in tensors_in(value).values()]
    with case.trying("onnx", "exporting it"), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its future
        file = Path(folder) / "network.onnx"
        torch.onnx.export(network, tuple(values), str(file), dynamo=True, external_data=False, verbose=False)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        names = [each.name for each in session.get_inputs()]
        results = session.run(None, dict(zip(names, feeds, strict=True)))
    case.require(len(results) == len(expected), "onnx", f"{len(results)} outputs there, {len(expected)} in PyTorch")
    for result, wanted in zip(results, expected, strict=True):
        found = torch.from_numpy(result)
        case.require(
            found.shape == wanted.shape, "onnx", f"shape {tuple(found.shape)}, in PyTorch {tuple(wanted.shape)}"
        )
        scale = max(1.0, float(wanted.abs().max()))
        difference = float((found - wanted).abs().max()) / scale
        case.require(difference <= TOLERANCE, "onnx", f"differs from PyTorch by {difference:.2g} of the largest value")
