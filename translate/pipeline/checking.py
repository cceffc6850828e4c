"""The check before anything starts: names, shapes, terms, and combinations that are known to be wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from translate.components import Catalogue
from translate.errors import ComponentError, PipelineError, Problem
from translate.pipeline.building import Game, build_meta, example
from translate.pipeline.compiling import Plan, PlannedTerm, term_functions
from translate.pipeline.evaluating import Draw, Evaluator
from translate.pipeline.expressions import to_text
from translate.pipeline.naming import unknown_names
from translate.pipeline.settings import Pipeline
from translate.pipeline.trees import map_tensors
from translate.plugin_manager import default_manager
from translate.specs import Spec

__all__ = ["check"]


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
    finally:
        evaluator.release()


def _too_small_batches(game: Game, phase: int) -> Iterator[Problem]:
    """Operations that compare the examples of a batch, where one process sees too few of them at once."""
    count = game.pipeline.training.examples_at_once
    for node in game.graphs[phase].nodes:
        least = getattr(node.operation[0].factory, "least_batch", 1) if node.operation else 1
        if count < least:
            text = (
                f"{node.name} needs {least} examples at once, and with this batch size a process sees {count}: "
                "it would do nothing. Set a larger `training.batch_size`, or a smaller `accumulate`"
            )
            yield game.pipeline.problem(node.path, text, column=node.column, phase=phase)


def _refused_losses(game: Game, phase: int) -> Iterator[Problem]:
    """Losses whose constructor refuses, such as one whose weights are not on the disk."""
    for name, term in game.pipeline.phases[phase].losses.items():
        try:
            term_functions(term)
        except ComponentError as exc:
            origin = f"loss '{term.use.name}' from {term.use.entry.provider}"
            yield game.pipeline.problem(("losses", name), f"{exc.sentences} ({origin})", phase=phase)


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
    count = game.pipeline.training.examples_at_once
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
    return game.pipeline.problem(("losses", term.name), text, phase=phase)


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
                f"network '{name}' ends in a sigmoid, but this loss takes what comes before one: remove the sigmoid"
                for name in networks
                if _ends_in_sigmoid(game.networks[name])
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
    """Networks whose direct output a term reads, also as a part (`judged.validity`) or in a list."""
    nodes = game.graphs[phase].nodes
    pending = [slot // 2 for _, slot in term.arguments]
    found: dict[str, Any] = {}
    while pending:
        node = nodes[pending.pop(0)]
        if node.kind == "network":
            found[node.name] = None
        elif node.kind in {"attribute", "sequence"}:
            pending += node.inputs
    return list(found)


def _has_batch_norm(module: nn.Module) -> bool:
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())  # noqa: SLF001


def _ends_in_sigmoid(module: nn.Module) -> bool:
    leaves = [part for part in module.modules() if not list(part.children())]
    return bool(leaves) and isinstance(leaves[-1], nn.Sigmoid)
