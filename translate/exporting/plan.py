"""What is to be exported: which inputs, which networks, which value ranges, and which sizes the networks can take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

import torch
from torch import Tensor, nn

from translate import specs
from translate.errors import ComponentError, PipelineError, UsageError, did_you_mean
from translate.exporting.sizes import Size, divisor_at, divisor_of, other_size, padded, recorded
from translate.pipeline.building import UNBOUNDED
from translate.pipeline.computing import evaluate
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.inference_form import inference_networks
from translate.specs import Spec

Range = tuple[float, float]

PIXELS: Final[Mapping[int, torch.dtype]] = {8: torch.uint8, 16: torch.uint16}
"""What a picture is made of in a file, by its depth."""
WHITE: Final[Mapping[int, int]] = {8: 255, 16: 65535}
"""The integer of full intensity, by the depth."""
_ALL_OF_THEM: Final = ", or leave --output out to write all of them (in Python: export_all)"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One export of a game.

    Attributes:
        game: The built pipeline, with its trained networks on the CPU.
        name: The export's name.
        node: The node in the last phase's graph that is the output.
        step: Training step, for schedules.
        inputs: Specs by name, in the order of the file's inputs.
        networks: Inference forms of the networks that the output needs.
        divisors: What height and width must be multiples of where a network is called, by network.
        divisor: Height and width of the image inputs are padded to multiples of it.
        range: Value range of an image output; None = not known.
        bits: Depth of an image output of known range.
        kind: image, or the output's kind otherwise.
        scale: Height and width of the output per input's; None = the output's size does not follow the input's.
        free_size: Whether the networks run at other sizes than the training's.
    """

    game: Game
    name: str
    node: int
    step: int
    inputs: Mapping[str, Spec]
    networks: Mapping[str, nn.Module]
    divisors: Mapping[str, int]
    divisor: int
    range: Range | None
    bits: int = 8
    kind: str = "image"
    scale: tuple[Fraction, Fraction] | None = None
    free_size: bool = False

    @property
    def images(self) -> dict[str, specs.Image]:
        """The image inputs."""
        return {name: spec for name, spec in self.inputs.items() if isinstance(spec, specs.Image)}

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the first image input, as in training."""
        return next(((spec.height, spec.width) for spec in self.images.values()), None)

    def follows(self, name: str) -> bool:
        """Whether an input is an image of the first one's size: these share their height and width."""
        spec = self.inputs[name]
        return isinstance(spec, specs.Image) and (spec.height, spec.width) == self.size

    def nodes(self) -> Iterator[Node]:
        """Every node that the output needs."""
        return needed(self.game, self.node, self.inputs)


class Flow(nn.Module):
    """The exported expression as one module: values of the plan's inputs in, images N x C x H x W in value range."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.networks = nn.ModuleDict(plan.networks)

    def forward(self, *values: Tensor) -> Any:
        """Evaluate."""
        named = dict(zip(self.plan.inputs, values, strict=True))
        networks = dict(self.networks.items())
        return evaluate(self.plan.game, [self.plan.node], named, networks=networks, step=self.plan.step)[0]


def make_plan(game: Game, name: str | None, step: int) -> Plan:
    """Find out all about one of a game's exports; the name may be left out where there is only one.

    Raises:
        UsageError: The pipeline has no such export, or several of which none is named.
        PipelineError: The entry cannot work; says where it stands.
    """
    name = choose_export(game, name, option="--name", otherwise=_ALL_OF_THEM)
    export = game.pipeline.exports[name]
    node = game.add(export.output, ("export", name, "output"))
    inputs = _inputs(game, name, export.inputs)
    _check_inputs(game, name, node, inputs)
    used = sorted(game.graphs[-1].nodes[node].networks)
    originals = {network: game.networks[network] for network in used}
    try:
        networks = inference_networks(originals, game.pipeline.inference)
    except ComponentError as exc:
        raise PipelineError([game.pipeline.problem(("inference",), f"{exc.what}; {exc.fix}")]) from exc
    divisors = {network: int(getattr(module, "size_divisor", 1)) for network, module in originals.items()}
    plan = Plan(
        game=game,
        name=name,
        node=node,
        step=step,
        inputs=inputs,
        networks=networks,
        divisors=divisors,
        divisor=math.lcm(*divisors.values()),
        range=value_range(game, node),
        bits=depth(game, node),
    )
    return _probed(plan)


def export_names(game: Game) -> list[str]:
    """The entries of a pipeline's `export` section.

    Raises:
        UsageError: There is none.
    """
    if not game.pipeline.exports:
        fix = "add `export: {translate: {inputs: [source], output: fake}}` to the pipeline"
        raise UsageError("this pipeline has nothing to export", where=game.pipeline.name, fix=fix)
    return list(game.pipeline.exports)


def choose_export(game: Game, name: str | None, *, option: str, usual: Sequence[str] = (), otherwise: str = "") -> str:
    """Which export is meant: the one that is named; else the only one, or the only usual one.

    Args:
        game: The built pipeline.
        name: What the user says; None = nothing.
        option: How a user names one.
        usual: Which come first where none is named.
        otherwise: What else to do where several are left.

    Raises:
        UsageError: There is none of that name, or several of which none is named.
    """
    known = export_names(game)
    for only in (known, usual):
        if name is None and len(only) == 1:
            return only[0]
    if name in known:
        return name
    what, fix = f"this pipeline has several exports: {', '.join(known)}", f"{option} {known[0]}"
    if name is None:
        raise UsageError(what, where=game.pipeline.name, fix=fix + otherwise)
    what = f"no export is named '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}."
    raise UsageError(what, where=game.pipeline.name, fix=fix)


def _inputs(game: Game, name: str, listed: tuple[str, ...]) -> dict[str, Spec]:
    inputs: dict[str, Spec] = {}
    for index, item in enumerate(listed):
        path = ("export", name, "inputs", index)
        if item not in game.fields and item not in game.latents:
            what = (
                "is a schedule, whose value is that of the checkpoint's step"
                if item in game.schedules
                else "is unknown"
            )
            raise PipelineError([game.pipeline.problem(path, f"'{item}' {what}; inputs are fields and latents")])
        if item in inputs:
            raise PipelineError([game.pipeline.problem(path, f"'{item}' is listed twice")])
        inputs[item] = game.input_spec(item)
    return inputs


def needed(game: Game, node: int, given: Mapping[str, Spec]) -> Iterator[Node]:
    """Every node that a node's value depends on, itself first."""
    nodes, seen, pending = game.graphs[-1].nodes, set(), [node]
    while pending:
        index = pending.pop()
        if index in seen:
            continue
        seen.add(index)
        yield nodes[index]
        if not (nodes[index].kind == "input" and nodes[index].name in given):
            pending += [*nodes[index].inputs, *(item for _, item in nodes[index].keywords)]


def _check_inputs(game: Game, name: str, node: int, inputs: Mapping[str, Spec]) -> None:
    read = {found.name for found in needed(game, node, inputs) if found.kind == "input"}
    path, problem = ("export", name, "inputs"), game.pipeline.problem
    missing = sorted(read - set(inputs))
    problems = [problem(path, f"the output needs '{item}'; list it among the inputs") for item in missing]
    unused = [(index, item) for index, item in enumerate(inputs) if item not in read]
    problems += [problem((*path, index), f"the output does not use '{item}'; remove it") for index, item in unused]
    if problems:
        raise PipelineError(problems)


def value_range(game: Game, index: int) -> Range | None:
    """The value range of an image that a node computes, None where it is not known.

    A network makes what its `makes` says (images of one range where it makes several), an operation keeps the widest
    range of its images, as when the pipeline is checked.
    """
    node = game.graphs[-1].nodes[index]
    if node.kind == "network":
        specs_made = game.network_inputs[node.name].named.values()
        flat = [item for made in specs_made for item in (made.values() if isinstance(made, Mapping) else [made])]
        ranges = {(spec.low, spec.high) for spec in flat if isinstance(spec, specs.Image)}
        return _bounded(ranges.pop()) if len(ranges) == 1 else None
    if node.kind == "input":
        spec = game.input_spec(node.name)
        return _bounded((spec.low, spec.high)) if isinstance(spec, specs.Image) else None
    if node.kind == "attribute":
        return value_range(game, node.inputs[0])
    below = [value_range(game, item) for item in node.inputs if _is_image(game, item)]
    known = [found for found in below if found is not None]
    if node.kind != "operation" or not known or len(known) < len(below):
        return None
    return min(low for low, _ in known), max(high for _, high in known)


def depth(game: Game, index: int) -> int:
    """The depth of an image that a node computes: that of what a network makes, the deepest image of an operation."""
    node = game.graphs[-1].nodes[index]
    if node.kind == "network":
        return _deepest(game.network_inputs[node.name].named.values())
    if node.kind == "input":
        return _deepest([game.input_spec(node.name)])
    below = game.graphs[-1].nodes[node.inputs[0]] if node.kind == "attribute" else None
    if below is not None and below.kind == "network":
        made = game.network_inputs[below.name].named.values()
        return _deepest([parts[node.name] for parts in made if isinstance(parts, Mapping) and node.name in parts])
    return max((depth(game, item) for item in node.inputs), default=8)


def _deepest(made: Iterable[Spec | Mapping[str, Spec]]) -> int:
    flat = [spec for item in made for spec in (item.values() if isinstance(item, Mapping) else [item])]
    return max((spec.bits for spec in flat if isinstance(spec, specs.Image)), default=8)


def _is_image(game: Game, index: int) -> bool:
    node = game.graphs[-1].nodes[index]
    if node.kind == "input":
        return isinstance(game.input_spec(node.name), specs.Image)
    return node.kind not in {"schedule", "literal"}


def _bounded(found: Range) -> Range | None:
    return found if -UNBOUNDED < found[0] < found[1] < UNBOUNDED else None


def sample_inputs(plan: Plan, count: int, size: tuple[int, int] | None = None, *, seed: int = 0) -> list[Tensor]:
    """Random float inputs of the flow, with images of the first one's size at `size`."""
    generator = torch.Generator().manual_seed(seed)
    values = []
    for name, spec in plan.inputs.items():
        if isinstance(spec, specs.Image):
            shape = size if size is not None and plan.follows(name) else (spec.height, spec.width)
            low, high = _bounded((spec.low, spec.high)) or (-1.0, 1.0)
            values.append(low + (high - low) * torch.rand(count, spec.channels, *shape, generator=generator))
        elif isinstance(spec, specs.Label):
            values.append(torch.randint(spec.classes, (count,), generator=generator))
        elif name in plan.game.latents:
            device = torch.device("cpu")
            values.append(plan.game.latents[name].sample(count, generator=generator, device=device))
        else:
            values.append(torch.randn(count, *spec.shape, generator=generator))
    return values


def _probed(plan: Plan) -> Plan:
    """Run the flow at the training's size and at another one, to see what the sizes inside and of the output follow."""
    flow, size = Flow(plan).eval(), plan.size
    first = None if size is None else (padded(size[0], plan.divisor), padded(size[1], plan.divisor))
    with torch.no_grad(), recorded(plan.networks, plan.divisors) as calls:
        result = flow(*sample_inputs(plan, 2, first))
    if not isinstance(result, Tensor):
        text = f"the output is a {type(result).__name__} of several values; name one of its parts, as `pair.a`"
        raise PipelineError([plan.game.pipeline.problem(("export", plan.name, "output"), text)])
    kind = {4: "image", 2: "vector"}.get(result.ndim, "tensor")
    plan = replace(plan, kind=kind, range=plan.range if kind == "image" else None)
    if first is None:
        return plan
    plan = replace(plan, divisor=divisor_at(calls, first))
    second = other_size(first, plan.divisor)
    try:
        with torch.no_grad(), recorded(plan.networks, plan.divisors) as later:
            other = flow(*sample_inputs(plan, 2, second))
        plan = replace(plan, divisor=divisor_of(calls, first, later, second))
    except (RuntimeError, ValueError, ComponentError):  # what torch raises for shapes that do not fit
        other = None
    return _following(plan, result, first, other, second)


def _following(plan: Plan, result: Tensor, first: Size, other: Any, second: Size) -> Plan:
    """How the output's size follows the input's, by the outputs at two sizes (None = it does not run there)."""
    if plan.kind != "image":
        return replace(plan, free_size=isinstance(other, Tensor) and other.shape == result.shape)
    scale = (Fraction(result.shape[2], first[0]), Fraction(result.shape[3], first[1]))
    if not isinstance(other, Tensor):
        return replace(plan, scale=scale)
    if other.shape[2] == scale[0] * second[0] and other.shape[3] == scale[1] * second[1]:
        return replace(plan, scale=scale, free_size=True)
    # A size of its own (resize(..., size=128)) needs no cropping; any other dependence cannot be cropped.
    return replace(plan, free_size=other.shape == result.shape or plan.divisor == 1)
