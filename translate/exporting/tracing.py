"""From a module to an ONNX file: one file, standard operators, nothing in it that names this machine."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import onnx
import torch
from torch import Tensor, nn

from translate import specs
from translate.errors import ANYTHING, ModelFileError
from translate.exporting.plan import PIXELS, WHITE, Plan, sample_inputs
from translate.exporting.sizes import other_size

Level = Literal["free", "batch", "fixed"]
"""What stays open in a file: batch, height and width; batch alone; nothing."""

LEVELS: Final[tuple[Level, ...]] = ("free", "batch", "fixed")
ONE_FILE_BYTES: Final = 1_500_000_000
"""Above this the weights lie beside the file: a protobuf holds at most 2 GB."""


def to_file(
    module: nn.Module,
    plan: Plan,
    file: Path,
    *,
    level: Level,
    float_only: bool,
    opset: int,
    metadata: Mapping[str, str],
) -> None:
    """Trace a module and write it, checked by ONNX's own checker.

    Args:
        module: What to trace.
        plan: Its inputs.
        file: Where to; weights beyond 1.5 GB go to `file.data` beside it.
        level: Which dimensions stay open.
        float_only: Whether image inputs are float N x C x H x W.
        opset: ONNX operator set.
        metadata: Written into the file.

    Raises:
        ModelFileError: ONNX refuses the result.
        Exception: Whatever torch's exporter raises for what it cannot trace.
    """
    program = _traced(module, plan, level=level, float_only=float_only, opset=opset)
    model = program.model
    _strip(model)
    _name_dimensions(model, plan, level=level, float_only=float_only)
    model.metadata_props.clear()
    model.metadata_props.update(metadata)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))
    program.save(str(file), external_data=weights > ONE_FILE_BYTES)
    _check(file)


def _traced(module: nn.Module, plan: Plan, *, level: Level, float_only: bool, opset: int) -> Any:
    batch = 1 if level == "fixed" else 2
    size = plan.size
    if level == "free" and size is not None:
        size = other_size(size, plan.divisor)
    examples = example_inputs(plan, batch, size, float_only=float_only)
    with _quiet(), torch.no_grad():
        traced = torch.export.export(
            module,
            tuple(examples),
            dynamic_shapes=(_dimensions(plan, level, float_only=float_only),),
            strict=False,
            # Conditions such as "the innermost map is not 1 x 1" become checks at run time, which ONNX does not have;
            # that the traced operations are right at such sizes is what the verification shows.
            prefer_deferred_runtime_asserts_over_guards=True,
        )
        return torch.onnx.export(
            traced,
            (),
            dynamo=True,
            opset_version=opset,
            verbose=False,
            input_names=list(plan.inputs),
            output_names=[output_name(plan)],
        )


def output_name(plan: Plan) -> str:
    """Name of the file's output: that of the expression where it is one name, else `output`; never an input's."""
    text = plan.game.pipeline.resolved["export"][plan.name]["output"]
    return text if str(text).isidentifier() and text not in plan.inputs else "output"


def example_inputs(
    plan: Plan, count: int, size: tuple[int, int] | None, *, float_only: bool, seed: int = 0
) -> list[Tensor]:
    """Inputs as the file takes them; images of random values."""
    values = sample_inputs(plan, count, size, seed=seed)
    if float_only:
        return values
    generator = torch.Generator().manual_seed(seed)
    for index, spec in enumerate(plan.inputs.values()):
        if isinstance(spec, specs.Image):
            shape = (count, *values[index].shape[2:], spec.channels)
            values[index] = torch.randint(0, WHITE[spec.bits] + 1, shape, generator=generator).to(PIXELS[spec.bits])
    return values


def _dimensions(plan: Plan, level: Level, *, float_only: bool) -> tuple[dict[int, Any], ...]:
    dimension = {name: torch.export.Dim(name) for name in ("batch", "height", "width")}
    factor = plan.divisor if float_only else 1
    first = 2 if float_only else 1
    result = []
    for name in plan.inputs:
        axes: dict[int, Any] = {} if level == "fixed" else {0: dimension["batch"]}
        if level == "free" and plan.follows(name):
            for offset, side in enumerate(("height", "width")):
                axes[first + offset] = factor * dimension[side] if factor > 1 else dimension[side]
        result.append(axes)
    return tuple(result)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's chatter: its warnings are about its own workings, and what matters is verified."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _strip(model: Any) -> None:
    """Remove what the exporter notes about the source: stack traces, module paths, texts."""
    for graph in (model.graph, *model.functions.values()):
        graph.metadata_props.clear()
        graph.doc_string = None
        _strip_values(graph.inputs)
        for node in graph.all_nodes():
            node.metadata_props.clear()
            node.doc_string = None
            _strip_values(node.outputs)
            for value in node.outputs:
                if not value.is_graph_output():
                    value.shape = None  # in terms of the tracer's symbols; runtimes infer it again
    _strip_values(model.graph.initializers.values())
    model.doc_string = None


def _strip_values(values: Sequence[Any] | Any) -> None:
    for value in values:
        value.metadata_props.clear()
        value.doc_string = None


def _name_dimensions(model: Any, plan: Plan, *, level: Level, float_only: bool) -> None:
    """Give the open dimensions readable names."""
    import onnx_ir

    axes = (2, 3) if float_only else (1, 2)
    sides = ("height", "width")
    named: dict[str, str] = {}
    for value, name in zip(model.graph.inputs, plan.inputs, strict=True):
        dims = list(value.shape)
        for axis, text in [(0, "batch"), *(zip(axes, sides, strict=True) if plan.follows(name) else ())]:
            if not isinstance(dims[axis], int):
                named[str(dims[axis])] = text
                dims[axis] = text
        value.shape = onnx_ir.Shape(dims)
    for value in model.graph.outputs:
        dims = [
            dim if isinstance(dim, int) else named.get(str(dim), f"output_{axis}")
            for axis, dim in enumerate(value.shape)
        ]
        value.shape = onnx_ir.Shape(dims)


def _check(file: Path) -> None:
    beside = file.with_name(f"{file.name}.data")
    try:
        onnx.checker.check_model(str(file), full_check=True)
    except ANYTHING as exc:
        raise ModelFileError(f"ONNX's checker refuses the exported file ({_first_line(exc)})", where=file.name) from exc
    if beside.exists():
        model = onnx.load(str(file), load_external_data=False)
        for tensor in model.graph.initializer:
            places = [entry.value for entry in tensor.external_data if entry.key == "location"]
            if any(place != beside.name for place in places):
                raise ModelFileError(f"the exported file reads '{places[0]}', which is not its own", where=file.name)


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__
