"""The check before anything starts: names, shapes, terms, and combinations that are known to be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import nn

from translate.components import Catalogue
from translate.errors import ComponentError, PipelineError, Problem, TranslateError
from translate.pipeline.building import Game, build_meta, example
from translate.pipeline.compiling import Plan, PlannedTerm, scheduled, term_functions
from translate.pipeline.evaluating import Draw, Evaluator
from translate.pipeline.expressions import to_text
from translate.pipeline.graph import Node
from translate.pipeline.naming import unknown_names
from translate.pipeline.settings import Pipeline
from translate.pipeline.trees import map_tensors
from translate.pipeline.watching import ComponentFault, failure, foreign
from translate.plugin_manager import default_manager
from translate.specs import Image, Spec

__all__ = ["check"]

LOOKED_AT = 1000
"""Steps at the start of a phase for which schedules of steps are looked at."""


def check(pipeline: Pipeline, fields: Mapping[str, Spec], *, catalogue: Catalogue | None = None) -> Game:
    """Run the whole game once on the meta device: every expression, every loss of every turn of every phase.

    Args:
        pipeline: A loaded pipeline.
        fields: Specs of the data's fields.
        catalogue: Where operations are looked up.

    Returns:
        The game on the meta device, for drawings and summaries.

    Raises:
        PipelineError: Holds every problem that was found.
    """
    catalogue = catalogue or default_manager().catalogue
    problems = unknown_names(pipeline, fields, catalogue)  # not every dataset says its names before it is opened
    if problems:
        raise PipelineError(list(dict.fromkeys(problems)))
    game = build_meta(pipeline, fields, catalogue=catalogue)
    for index in range(len(pipeline.phases)):
        problems += _check_phase(game, index)
    if problems:
        raise PipelineError(list(dict.fromkeys(problems)))
    return game


def _check_phase(game: Game, phase: int) -> Iterator[Problem]:
    pipeline = game.pipeline
    yield from _too_small_batches(game, phase)
    yield from _wrong_counts(game, phase)
    refused = list(_refused_losses(game, phase))
    if refused:
        yield from refused
        return
    evaluator = Evaluator(game, phase)
    try:
        for name, turn in pipeline.phases[phase].turns.items():
            plan = evaluator.plan(name, ())
            if not plan.terms:
                text = f"no loss depends on {', '.join(turn.learn)} on the side of the {turn.side}"
                yield pipeline.problem(("turns", name), text, of="key", phase=phase)
                continue
            yield from _idle_networks(game, plan, phase)
            yield from _run_turn(game, evaluator, plan, phase)
            yield from _known_wrong(game, plan, phase)
        if phase == len(pipeline.phases) - 1:
            yield from _never_gathered(game, evaluator, phase)
    finally:
        evaluator.release()


def _never_gathered(game: Game, evaluator: Evaluator, phase: int) -> Iterator[Problem]:
    """Operations that gather something for later, called where no training comes by."""
    turns = game.pipeline.phases[phase].turns
    run = {instruction.node.index for name in turns for instruction in evaluator.plan(name, ()).instructions}
    for node in game.graphs[phase].nodes:
        if node.is_part_of_model and node.index not in run:
            text = (
                f"`{node.text}` is not computed in training, where {node.name} gathers what it needs. Name it in the "
                "flow, and use that name in the losses and here"
            )
            yield game.pipeline.problem(node.path, text, column=node.column, phase=phase)


def _too_small_batches(game: Game, phase: int) -> Iterator[Problem]:
    """What compares the examples of a batch, where one process sees too few of them at once."""
    count = game.pipeline.examples_at_once(phase)
    for node in game.graphs[phase].nodes:
        entry = node.operation[0] if node.operation else None
        if node.kind == "network":
            entry = game.pipeline.networks[node.name].entry
        least = 1 if entry is None else getattr(entry.factory, "least_batch", 1)
        if count < least:
            text = (
                f"{node.name} needs {least} examples at once, and with this batch size a process sees {count}: "
                "it would do nothing. Set a larger `training.batch_size`, or a smaller `accumulate`"
            )
            yield game.pipeline.problem(node.path, text, column=node.column, phase=phase)


def _wrong_counts(game: Game, phase: int) -> Iterator[Problem]:
    """Turns whose schedule of steps gives what is no number of steps, early in the phase or at its end."""
    pipeline = game.pipeline
    start = pipeline.phases[phase].start
    later = [after.start for after in pipeline.phases[phase + 1 :]]
    end = max(start + 1, later[0] if later else pipeline.training.steps)
    for name, turn in pipeline.phases[phase].turns.items():
        steps = scheduled(game, turn.steps)
        if not callable(steps):
            continue
        for step in (*range(start, min(end, start + LOOKED_AT)), end - 1):
            value = steps(step)
            if value < 0 or value != int(value):
                text = f"must be a whole number of at least 0 at every step (step {step}: {value:g})"
                yield pipeline.problem(("turns", name, "steps"), text, phase=phase)
                break


def _refused_losses(game: Game, phase: int) -> Iterator[Problem]:
    """Losses whose constructor refuses, such as one whose weights are not on the disk."""
    for name, term in game.pipeline.phases[phase].losses.items():
        try:
            term_functions(term)
        except ComponentError as exc:
            origin = f"loss '{term.use.name}' from {term.use.entry.provider}"
            yield game.pipeline.problem(("losses", name), f"{exc.sentences} ({origin})", phase=phase)
        except (TranslateError, MemoryError):
            raise
        except Exception as exc:  # noqa: BLE001  # a component may raise anything
            problem = game.pipeline.problem(("losses", name), failure(term.use, exc).sentences, phase=phase)
            yield replace(problem, plugin=True)


def _idle_networks(game: Game, plan: Plan, phase: int) -> Iterator[Problem]:
    """Networks that a turn names, but that none of its losses depends on."""
    nodes = game.graphs[phase].nodes
    reached = frozenset[str]().union(*(nodes[slot // 2].networks for term in plan.terms for _, slot in term.arguments))
    for name in plan.turn.learn:
        if name not in reached:
            text = f"network '{name}' learns in turn '{plan.turn.name}', but none of the turn's losses depends on it"
            yield game.pipeline.problem(("networks", name), text, of="key", phase=phase)


def _run_turn(game: Game, evaluator: Evaluator, plan: Plan, phase: int) -> Iterator[Problem]:
    """Evaluate a turn's losses one by one, so that each is reported."""
    pipeline, terms = game.pipeline, plan.terms
    count = game.pipeline.examples_at_once(phase)
    fields = {name: example(spec, count) for name, spec in game.fields.items()}

    def sample(name: str) -> torch.Tensor:
        return example(game.latents[name].spec, count)

    draw = evaluator.begin(fields, pipeline.phases[phase].start, sample)
    try:
        for term in terms:
            plan.terms = [term]
            try:
                loss = evaluator.run_turn(draw, plan.turn.name).loss
            except Exception as exc:  # noqa: BLE001  # a component may raise anything
                yield _failed(game, term, draw, exc, phase)
                continue
            if loss is not None and loss.ndim:
                text = f"a loss must be a single number (got a tensor of shape {tuple(loss.shape)})"
                yield pipeline.problem(("losses", term.name), text, phase=phase)
    finally:
        plan.terms = terms


def _failed(game: Game, term: PlannedTerm, draw: Draw, exc: Exception, phase: int) -> Problem:
    """A problem that names the loss, what it was given, and the cause."""
    entry = term.term.use.entry
    cause = exc.__cause__ or exc
    first = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if isinstance(exc, ComponentError):
        first = f"{exc.what}; {exc.fix}" if exc.fix else exc.what
    given = []
    for name, slot in term.arguments:
        shapes = map_tensors(lambda tensor: "x".join(map(str, tensor.shape)) or "0-d", draw.values[slot])
        given.append(f"{name}: {to_text(term.term.use.expressions[name])} {shapes}")
    text = f"loss '{entry.name}' from {entry.provider} cannot be computed from ({', '.join(given)}): {first}"
    plugin = isinstance(cause, ComponentFault) or (foreign(entry) and not isinstance(exc, ComponentError))
    return replace(game.pipeline.problem(("losses", term.name), text, phase=phase), plugin=plugin)


def _known_wrong(game: Game, plan: Plan, phase: int) -> Iterator[Problem]:
    """Combinations that train without complaint and give the wrong result."""
    optimizer = game.pipeline.phases[phase].optimizers[plan.turn.name]
    for term in plan.terms:
        loss = term.term.use.entry.factory
        networks = _networks_of(game, phase, term)
        texts = []
        learning = _learning_networks(game, plan, phase, term)
        if getattr(loss, "is_penalty", False):
            if optimizer.clip_weights is not None:
                texts.append("a gradient penalty and weight clipping constrain the same thing; remove one of them")
            texts += [
                f"network '{name}' has batch normalisation, which ties the examples of a batch together, so a "
                "penalty on each example's gradient is not defined (Gulrajani et al. 2017, section 4). Give the "
                "network another normalisation: `norm: instance`, `layer` or `none`"
                for name in learning
                if _has_batch_norm(game.networks[name])
            ]
        if getattr(loss, "needs_constraint", False) and plan.turn.side == "discriminators":
            texts += [
                f"nothing bounds the slope of critic '{name}', so this loss has no minimum (Arjovsky et al. 2017, "
                "section 3). Add a gradient penalty, `clip_weights` to the optimiser, or `weights: spectral`"
                for name in learning
                if not _is_bounded(game, plan, name, phase)
            ]
        if getattr(loss, "expects_logits", False):
            texts += [
                f"network '{name}' ends in a {ending}, but this loss takes what comes before one: remove the {ending}"
                for name in networks
                if (ending := _squashing_end(game.networks[name]))
            ]
            texts += [
                f"`{node.text}` is a probability, but this loss takes what comes before a sigmoid: give it that"
                for node in _direct(game, phase, term)
                if node.operation and getattr(node.operation[0].factory, "makes_probabilities", False)
            ]
        expected = getattr(loss, "expects_range", None)
        if expected is not None:
            low, high = expected
            texts += [
                f"this loss compares with images in [{low:g}, {high:g}], but '{node.name}' is in [{spec.low:g}, "
                f"{spec.high:g}]. Write `value_range: [{low:g}, {high:g}]` under `data`"
                for node in _direct(game, phase, term)
                if isinstance(spec := game.fields.get(node.name), Image) and (spec.low, spec.high) != (low, high)
            ]
        yield from (game.pipeline.problem(("losses", term.name), text, phase=phase) for text in texts)


def _is_bounded(game: Game, plan: Plan, network: str, phase: int) -> bool:
    """Whether the slope of a critic is held: by clipping, by a penalty on it, or by its weights' parametrisation."""
    if game.pipeline.phases[phase].optimizers[plan.turn.name].clip_weights is not None:
        return True
    weights = game.pipeline.networks[network].weights
    if weights is not None and getattr(weights.entry.factory, "bounds_weights", False):
        return True
    penalties = [term for term in plan.terms if getattr(term.term.use.entry.factory, "is_penalty", False)]
    return any(network in _learning_networks(game, plan, phase, term) for term in penalties)


def _learning_networks(game: Game, plan: Plan, phase: int, term: PlannedTerm) -> list[str]:
    """Networks that learn in a turn and that a term's values come through: also the trunk behind a head."""
    nodes = game.graphs[phase].nodes
    reached = frozenset[str]().union(*(nodes[slot // 2].networks for _, slot in term.arguments))
    return [name for name in plan.turn.learn if name in reached]


def _networks_of(game: Game, phase: int, term: PlannedTerm) -> list[str]:
    """Networks whose direct output a term reads."""
    return list(dict.fromkeys(node.name for node in _direct(game, phase, term) if node.kind == "network"))


def _direct(game: Game, phase: int, term: PlannedTerm) -> list[Node]:
    """What a term reads, also as a part (`judged.validity`) or in a list."""
    nodes = game.graphs[phase].nodes
    pending = [slot // 2 for _, slot in term.arguments]
    found: list[Node] = []
    while pending:
        node = nodes[pending.pop(0)]
        if node.kind in {"attribute", "sequence"}:
            pending += node.inputs
        else:
            found.append(node)
    return found


def _has_batch_norm(module: nn.Module) -> bool:
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())  # noqa: SLF001


def _squashing_end(module: nn.Module) -> str:
    """The sigmoid or softmax that a network ends in; empty where it ends in something else."""
    leaves = [part for part in module.modules() if not list(part.children())]
    squashing = leaves and isinstance(leaves[-1], nn.Sigmoid | nn.Softmax | nn.LogSoftmax)
    return ("sigmoid" if isinstance(leaves[-1], nn.Sigmoid) else "softmax") if squashing else ""
