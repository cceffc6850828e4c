"""From a pipeline to networks: specs flow through the expressions, each network is built where it is called first.

The whole is first built and run on the meta device, which costs no memory and finds every size that does not fit;
training then builds the same networks for real.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from translate import specs
from translate.components import Catalogue, Entry
from translate.errors import ANYTHING, ComponentError, PipelineError, Problem, did_you_mean
from translate.generators import own_seed, seeded
from translate.pipeline.expressions import Expression
from translate.pipeline.game import Game, NetworkInputs, create
from translate.pipeline.graph import Graph, Node
from translate.pipeline.naming import all_expressions
from translate.pipeline.settings import Path_, Pipeline
from translate.pipeline.trees import read_attribute
from translate.pipeline.watching import ComponentFault, check_made, foreign, form, watched
from translate.plugin_manager import default_manager
from translate.specs import Spec

UNBOUNDED = float("inf")


def prepare(pipeline: Pipeline, fields: Mapping[str, Spec], catalogue: Catalogue | None = None) -> Game:
    """Everything but the networks: graphs, latents, schedules.

    Raises:
        PipelineError: An expression cannot be read as a graph.
    """
    catalogue = catalogue or default_manager().catalogue
    game = Game(pipeline, fields, catalogue)
    _create_own(game)
    for index, phase in enumerate(pipeline.phases):
        graph = Graph(pipeline, index, catalogue)
        game.graphs.append(graph)
        for name, expression in phase.flow.items():
            graph.add_at(("flow", name), expression)
        game.term_nodes.append(
            {
                name: {
                    key: graph.add_at(("losses", name, key), expression)
                    for key, expression in term.use.expressions.items()
                }
                for name, term in phase.losses.items()
            }
        )
    for path, expression, phase_index in all_expressions(pipeline):
        game.graphs[phase_index].add_at(path, expression)
    problems = [problem for graph in game.graphs for problem in graph.problems]
    if problems:
        raise PipelineError(list(dict.fromkeys(problems)))
    return game


def build(
    pipeline: Pipeline,
    fields: Mapping[str, Spec],
    *,
    catalogue: Catalogue | None = None,
    only: Sequence[str] | None = None,
    checked: Game | None = None,
) -> Game:
    """Build a pipeline's networks on the CPU, each initialised from (seed, its name) alone.

    Args:
        pipeline: A loaded pipeline.
        fields: Specs of the data's fields.
        catalogue: Where operations are looked up; by default all installed plugins.
        only: Build only these networks (export needs the generator, not the discriminator).
        checked: What `check` gave for the same pipeline, fields and catalogue, whose sizes are taken over; not to be
            used again.

    Raises:
        PipelineError: Shapes do not fit, or a component refuses its settings.
    """
    assert checked is None or (checked.pipeline is pipeline and checked.fields == fields)
    game = build_meta(pipeline, fields, catalogue=catalogue) if checked is None else _renewed(checked)
    game.networks = {}
    for name in pipeline.networks if only is None else only:
        with seeded(own_seed(pipeline.training.seed, name)):
            game.networks[name] = create_network(pipeline, name, game.network_inputs[name])
    game.sites.clear()
    game.device = torch.device("cpu")
    game.own()
    return game


def _renewed(checked: Game) -> Game:
    """A game of the same graphs and sizes, without anything that its check may have left a trace in."""
    fresh = Game(checked.pipeline, checked.fields, checked.catalogue)
    _create_own(fresh)
    kept = ("graphs", "term_nodes", "network_inputs", "forms", "specs")
    for name in kept:
        setattr(fresh, name, getattr(checked, name))
    return fresh


def _create_own(game: Game) -> None:
    """Create latents and schedules."""
    game.latents = {name: create(game.pipeline, use) for name, use in game.pipeline.latents.items()}
    game.schedules = {name: create(game.pipeline, use) for name, use in game.pipeline.schedules.items()}


def create_network(pipeline: Pipeline, name: str, inputs: NetworkInputs) -> nn.Module:
    """Call a network's factory, and parametrise its weights where the pipeline says how."""
    use = pipeline.networks[name]
    network = use.create(*inputs.inputs, **inputs.named)
    if use.weights is not None and isinstance(network, nn.Module):
        network = use.weights.create(network)
    if not isinstance(network, nn.Module):
        msg = f"the factory must return a torch.nn.Module (got {type(network).__name__})"
        raise TypeError(msg)
    return network


def build_meta(pipeline: Pipeline, fields: Mapping[str, Spec], *, catalogue: Catalogue | None = None) -> Game:
    """Build and run everything on the meta device.

    Raises:
        PipelineError: Holds every expression that failed (what depends on it is not reported again).
    """
    game = prepare(pipeline, fields, catalogue)
    game.device = torch.device("meta")
    run = _MetaRun(game)
    for phase in range(len(pipeline.phases)):
        run.phase(phase)
    for name in pipeline.networks:
        if name not in game.networks and not run.problems:
            run.problems.append(pipeline.problem(("networks", name), "no expression that can be evaluated calls it"))
    if run.problems:
        raise PipelineError(list(dict.fromkeys(run.problems)))
    game.own()
    return game


class _Failed(Exception):  # noqa: N818  # control flow of the walk below, never seen outside
    """A node could not be computed; the reason is recorded."""


class _NotBuilt(Exception):  # noqa: N818  # likewise
    """A network could not be built; the reason is its cause."""


@dataclass
class _MetaRun:
    """Runs a game's graphs on the meta device and builds each network at its first call."""

    game: Game
    problems: list[Problem] = field(default_factory=list)
    _values: dict[tuple[int, int], tuple[Any, Spec | None] | None] = field(default_factory=dict)
    _building: list[str] = field(default_factory=list)
    _first: dict[str, str] = field(default_factory=dict)  # the call that each network was built for
    _open: set[tuple[int, int]] = field(default_factory=set)
    _vary: set[tuple[int, int]] = field(default_factory=set)

    def phase(self, phase: int) -> None:
        """Compute every node of a phase."""
        index = 0
        while index < len(self.game.graphs[phase].nodes):
            with suppress(_Failed):
                self.value(phase, index)
            index += 1

    def value(self, phase: int, index: int) -> tuple[Any, Spec | None]:
        """Value and spec of a node."""
        key = (phase, index)
        node = self.game.graphs[phase].nodes[index]
        if key in self._open:  # the graph has no circles, so this one leads through the specs of a network
            msg = f"what '{self._building[-1]}' makes depends on itself, through `{node.text}`"
            raise ComponentError(msg)
        if key not in self._values:
            self._values[key] = None
            self._open.add(key)
            try:
                with torch.no_grad():
                    computed = self._compute(phase, node)
                self._values[key] = computed
                self.game.specs[key] = computed[1]
                self._note_form(phase, node, computed[0])
            except _Failed:
                raise
            except ANYTHING as exc:  # a component may raise anything
                self._report(phase, node, exc)
            finally:
                self._open.discard(key)
        found = self._values[key]
        if found is None:
            raise _Failed
        return found

    def _report(self, phase: int, node: Node, exc: BaseException) -> None:
        pipeline = self.game.pipeline
        not_built = isinstance(exc, _NotBuilt)
        entries = self._entries(node)
        if isinstance(exc, _NotBuilt) and isinstance(exc.__cause__, Exception):
            exc = exc.__cause__
        plugin = False
        if isinstance(exc, ComponentError):
            message = exc.sentences
        elif isinstance(exc, ComponentFault):
            message, plugin = f"`{node.text}` is computed by a component that is broken: {exc}", True
        else:
            plugin = any(map(foreign, entries))
            first = str(exc).strip().splitlines()[0] if str(exc).strip() else ""
            given = ", ".join(self._spec_text(phase, index) for index in node.inputs)
            message = f"`{node.text}` cannot be evaluated with ({given}): {first or type(exc).__name__}"
        if not_built:
            use = pipeline.networks[node.name]
            message += f" ({use.entry.kind} '{use.name}' from {use.entry.provider})"
            problem = pipeline.problem(("networks", node.name), message)
        else:
            if plugin:
                supplied = [f"{entry.kind} '{entry.name}' from {entry.provider}" for entry in entries]
                message += f" ({'; '.join(supplied)})"
            problem = pipeline.problem(node.path, message, column=node.column, phase=phase)
        self.problems.append(replace(problem, plugin=plugin))
        raise _Failed from exc

    def _entries(self, node: Node) -> list[Entry]:
        """What supplied the component of a node."""
        if node.kind == "network":
            return [self.game.pipeline.networks[node.name].entry]
        return [node.operation[0]] if node.operation is not None else []

    def _note_form(self, phase: int, node: Node, value: Any) -> None:
        """Note what a call gave, unless a schedule takes part: what grows has another form in another step."""
        before = (*node.inputs, *(index for _, index in node.keywords))
        if node.kind == "schedule" or any((phase, index) in self._vary for index in before):
            self._vary.add((phase, node.index))
        elif node.kind in {"network", "operation"}:
            self.game.forms[phase, node.index] = form(value)

    def _spec_text(self, phase: int, index: int) -> str:
        text = self.game.graphs[phase].nodes[index].text
        found = self._values.get((phase, index))
        return text if found is None or found[1] is None else f"{text}: {found[1]}"

    def _compute(self, phase: int, node: Node) -> tuple[Any, Spec | None]:
        game = self.game
        if node.kind == "input":
            if node.name not in game.fields and node.name not in game.latents:
                known = ", ".join([*game.fields, *game.latents])
                msg = f"no value is named '{node.name}'. Fields and latents: {known}."
                raise ComponentError(msg)
            spec = game.input_spec(node.name)
            return example(spec, game.pipeline.examples_at_once(phase)), spec
        if node.kind == "schedule":
            final = game.final(node.name)
            return final, specs.Scalar(final=final)
        if node.kind == "literal":
            return node.value, None
        arguments = [self.value(phase, index) for index in node.inputs]
        values = [value for value, _ in arguments]
        if node.kind == "sequence":
            inside = [spec for _, spec in arguments]
            return values, specs.Several(tuple(inside)) if inside and all(inside) else None  # type: ignore[arg-type]
        if node.kind == "attribute":
            value = read_attribute(values[0], node.name)
            return value, derive_spec(value, None)
        if node.kind == "operation":
            _check_range(node, [spec for _, spec in arguments])
            result = _operated(node, game.operation(node), values)
            return result, derive_spec(result, _like([spec for _, spec in arguments]))
        return self._call_network(phase, node, values, [spec for _, spec in arguments if spec is not None])

    def _call_network(self, phase: int, node: Node, values: list[Any], given: list[Spec]) -> tuple[Any, Spec | None]:
        game, name = self.game, node.name
        keywords = {key: self.value(phase, index)[0] for key, index in node.keywords}
        if name not in game.networks:
            self._build(phase, name, tuple(given))
            self._first[name] = node.text
        _check_keywords(name, game.networks[name], keywords)
        try:
            result = watched(game.networks[name])(*values, **keywords)
        except ComponentFault:
            raise
        except ANYTHING as exc:
            built = game.network_inputs[name].inputs
            if [_content(spec) for spec in built] == [_content(spec) for spec in given]:
                raise
            raise ComponentError(
                f"`{node.text}` gives '{name}' ({', '.join(map(str, given))}), and it was built for "
                f"({', '.join(map(str, built))}), as in `{self._first[name]}`",
                fix="give it the same inputs in every call, or add a second network",
            ) from exc
        check_made(result, game.network_inputs[name].named)
        made = [spec for spec in game.network_inputs[name].named.values() if isinstance(spec, specs.Image)]
        return result, derive_spec(result, made[0] if made else None)

    def _build(self, phase: int, name: str, inputs: tuple[Spec, ...]) -> None:
        if name in self._building:
            msg = f"what '{name}' makes depends on '{name}' itself"
            raise _NotBuilt from ComponentError(msg)
        self._building.append(name)
        try:
            network_inputs = NetworkInputs(inputs, self._named_specs(phase, name))
            with torch.device("meta"):
                network = create_network(self.game.pipeline, name, network_inputs)
            self.game.networks[name] = network.to("meta").train()  # also constants that torch did not make
        except _Failed:
            raise
        except ANYTHING as exc:
            raise _NotBuilt from exc
        finally:
            self._building.remove(name)
        self.game.network_inputs[name] = network_inputs

    def _named_specs(self, phase: int, name: str) -> dict[str, Spec | Mapping[str, Spec]]:
        named: dict[str, Spec | Mapping[str, Spec]] = {}
        for key, expression in self.game.pipeline.networks[name].specs.items():
            path: Path_ = ("networks", name, key)
            if isinstance(expression, Mapping):
                named[key] = {part: self._spec(phase, item, path) for part, item in expression.items()}
            else:
                named[key] = self._spec(phase, expression, path)
        return named

    def _spec(self, phase: int, expression: Expression, path: Path_) -> Spec:
        _, spec = self.value(phase, self.game.graphs[phase].add_at(path, expression))
        if spec is None:
            msg = "what a network makes must be an image, a vector or a label"
            raise ComponentError(msg)
        return spec


def _operated(node: Node, operation: Callable[..., Any], values: Sequence[Any]) -> Any:
    """What an operation gives.

    Raises:
        ComponentError: It was given a list or a mapping, and failed as what takes a single value does.
    """
    try:
        return watched(operation, gives_tensors=False)(*values)
    except (AttributeError, TypeError) as exc:
        if not any(isinstance(value, list | tuple | Mapping) for value in values):
            raise
        raise ComponentError(
            f"`{node.text}`: {node.name} takes single values, not lists or mappings of them ({exc})",
            fix="name one of them, as in `judged.logits`",
        ) from exc


def _check_range(node: Node, given: Sequence[Spec | None]) -> None:
    """Refuse an operation whose `low` and `high` are not the range of the images that it is given.

    Raises:
        ComponentError: They are not; says what to write.
    """
    assert node.operation is not None
    for spec, wrong in other_ranges(node.operation[1], given):
        written = ", ".join(f"{key}={value:g}" for key, value in wrong.items())
        raise ComponentError(
            f"{node.name} is told another value range than that of {spec}", fix=f"write {node.name}(..., {written})"
        )


def other_ranges(
    choices: Mapping[str, Any], given: Sequence[Spec | None]
) -> Iterator[tuple[specs.Image, dict[str, float]]]:
    """Images whose range is not what the choices `low` and `high` say, each with what these must be."""
    for spec in given:
        if isinstance(spec, specs.Several):
            yield from other_ranges(choices, spec.parts)
        if isinstance(spec, specs.Image) and spec.high < UNBOUNDED:
            wanted = {"low": spec.low, "high": spec.high}
            wrong = {key: value for key, value in wanted.items() if key in choices and choices[key] != value}
            if wrong:
                yield spec, wrong


def _check_keywords(name: str, network: nn.Module, keywords: Mapping[str, Any]) -> None:
    """Refuse a keyword that the network does not know.

    Raises:
        ComponentError: Says which one it may mean.
    """
    parameters = inspect.signature(network.forward).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    for key in keywords:
        if key not in known:
            msg = f"'{name}' has no input called '{key}'.{did_you_mean(key, known)}"
            raise ComponentError(msg)


def _content(spec: Spec) -> tuple[object, ...]:
    """What a network's weights depend on: channels and sizes of vectors, not the size of an image."""
    if isinstance(spec, specs.Image):
        return (specs.Image, spec.channels)
    return (type(spec), spec.shape, getattr(spec, "classes", None))


def example(spec: Spec, count: int, device: str = "meta") -> torch.Tensor:
    """A tensor of a spec's shape and type."""
    return torch.empty((count, *spec.shape), dtype=getattr(torch, spec.dtype), device=device)


def derive_spec(value: Any, like: Spec | None) -> Spec | None:
    """The spec of a computed value; an image takes its value range and depth from `like`, else it is unbounded."""
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        parts = [derive_spec(item, like) for item in value]
        return specs.Several(tuple(part for part in parts if part is not None)) if all(parts) and parts else None
    if not isinstance(value, torch.Tensor):
        return None
    if value.ndim == 4:
        known = like if isinstance(like, specs.Image) else specs.Image(1, 1, 1, -UNBOUNDED, UNBOUNDED)
        return specs.Image(value.shape[1], value.shape[2], value.shape[3], known.low, known.high, known.bits)
    if value.ndim == 2:
        return specs.Vector(value.shape[1])
    if isinstance(like, specs.Label) and value.ndim == 1:
        return like
    return specs.Tensor(tuple(value.shape[1:]))


def _like(given: Sequence[Spec | None]) -> Spec | None:
    """The spec whose value range and depth an operation keeps: the widest and the deepest of its images'."""
    images = [spec for spec in given if isinstance(spec, specs.Image)]
    if not images:
        return next((spec for spec in given if spec is not None), None)
    first = images[0]
    low, high = min(image.low for image in images), max(image.high for image in images)
    return specs.Image(first.channels, first.height, first.width, low, high, max(image.bits for image in images))
