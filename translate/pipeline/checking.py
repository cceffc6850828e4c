"""The check before anything starts: names, shapes, terms, and combinations that are known to be wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

import torch

from translate.components import Catalogue
from translate.errors import ANYTHING, ComponentError, PipelineError, PluginError, Problem, TranslateError
from translate.pipeline.building import build_meta, example
from translate.pipeline.compiling import Plan, PlannedTerm, term_functions
from translate.pipeline.evaluating import Draw, Evaluator
from translate.pipeline.expressions import to_text
from translate.pipeline.game import Game
from translate.pipeline.idle_parts import idle_parts
from translate.pipeline.naming import unknown_names
from translate.pipeline.settings import Pipeline, Use
from translate.pipeline.trees import map_tensors
from translate.pipeline.two_sides import parted_histories, wrong_sides
from translate.pipeline.watching import ComponentFault, checked_schedule, failure, foreign
from translate.pipeline.wrong_terms import clipped_weights, wrong_ranges, wrong_terms
from translate.plugin_manager import default_manager
from translate.specs import Spec

__all__ = ["check"]

log = logging.getLogger(__name__)

LOOKED_AT = 1000
"""Steps at the start of a phase for which schedules are looked at, and steps all over it."""


def check(
    pipeline: Pipeline, fields: Mapping[str, Spec], *, catalogue: Catalogue | None = None, begun: bool = False
) -> Game:
    """Run the whole game once on the meta device: every expression, every loss of every turn of every phase.

    Args:
        pipeline: A loaded pipeline.
        fields: Specs of the data's fields.
        catalogue: Where operations are looked up.
        begun: Whether it has been trained before. What is known to be wrong, but runs, is then a warning: the version
            that it began with may not have known, and the training goes on as it began.

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
    wrong = [*_nothing_to_reset(pipeline)]
    counted: set[str] = set()
    for index in range(len(pipeline.phases)):
        wrong += [*wrong_ranges(game, index), *wrong_sides(game, index), *parted_histories(game, index)]
        problems += _check_phase(game, index, wrong, counted)
    if not problems:  # else it may not be known which losses count
        wrong += idle_parts(pipeline, counted)
    if begun:
        for problem in dict.fromkeys(wrong):
            log.warning("this training has begun with what is known to be wrong, and goes on: %s", problem)
    else:
        problems += wrong
    if problems:
        raise PipelineError(list(dict.fromkeys(problems)))
    return game


def _nothing_to_reset(pipeline: Pipeline) -> Iterator[Problem]:
    """New optimisers at the beginning of a new phase, where there is none."""
    if pipeline.phases[0].reset_optimizers and len(pipeline.phases) == 1:
        text = "there is no phase to reset at. Write it in an entry of `phases`, or remove it"
        yield pipeline.problem(("training", "reset_optimizers"), text)


def _check_phase(game: Game, phase: int, wrong: list[Problem], counted: set[str]) -> Iterator[Problem]:
    """What cannot run. What runs and is known to be wrong is added to `wrong`, and which losses count to `counted`."""
    pipeline = game.pipeline
    yield from _too_small_batches(game, phase)
    refused = list(_refused(game, phase))
    if refused:
        yield from refused
        return
    yield from _wrong_schedules(game, phase)
    evaluator = Evaluator(game, phase)
    try:
        for name, turn in pipeline.phases[phase].turns.items():
            plan = evaluator.plan(name, ())
            counted |= {term.name for term in plan.terms}
            if not plan.terms:
                text = f"no loss depends on {', '.join(turn.learn)} on the side of the {turn.side}"
                yield pipeline.problem(("turns", name), text, of="key", phase=phase)
                continue
            yield from _idle_networks(game, plan, phase)
            yield from _idle_thresholds(game, plan, phase)
            yield from _run_turn(game, evaluator, plan, phase)
            wrong += wrong_terms(game, plan, phase)
            wrong += clipped_weights(game, plan, phase)
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


def _wrong_schedules(game: Game, phase: int) -> Iterator[Problem]:
    """Schedules that give what is no number of steps, or no learning rate, somewhere in the phase."""
    pipeline, here = game.pipeline, game.pipeline.phases[phase]
    later = [after.start for after in pipeline.phases[phase + 1 :]]
    end = max(here.start + 1, later[0] if later else pipeline.training.steps)
    spread = range(here.start, end, max(1, (end - here.start) // LOOKED_AT))
    looked_at = sorted({*range(here.start, min(end, here.start + LOOKED_AT)), *spread, end - 1})
    counts = [(turn.steps, ("turns", name, "steps"), "a whole number") for name, turn in here.turns.items()]
    rates = [(settings.lr, None, "a learning rate") for settings in here.optimizers.values()]
    for use, path, what in (*counts, *rates):
        if not isinstance(use, Use):
            continue
        value_at = checked_schedule(use, game.schedule(use))
        for step in looked_at:
            try:
                value = value_at(step)
            except PluginError as exc:
                yield replace(pipeline.problem(use.path, f"{exc.what} (step {step})", phase=phase), plugin=True)
                break
            if value < 0 or (path is not None and not value.is_integer()):
                text = f"must be {what} of at least 0 at every step (step {step}: {value:g})"
                yield pipeline.problem(path or use.path, text, phase=phase)
                break


def _refused(game: Game, phase: int) -> Iterator[Problem]:
    """Losses, and schedules written in place, that refuse to be made: their weights are not on the disk ..."""
    here = game.pipeline.phases[phase]
    scheduled = [*(turn.steps for turn in here.turns.values()), *(settings.lr for settings in here.optimizers.values()),
                 *(term.weight for term in here.losses.values())]  # fmt: skip
    makers: list[tuple[Use, Callable[[], object]]] = [
        *((term.use, partial(term_functions, term, game.pipeline)) for term in here.losses.values()),
        *((use, partial(game.schedule, use)) for use in scheduled if isinstance(use, Use)),
    ]
    for use, make in makers:
        try:
            make()
        except ComponentError as exc:
            origin = f"{use.entry.kind} '{use.name}' from {use.entry.provider}"
            yield game.pipeline.problem(use.path, f"{exc.sentences} ({origin})", phase=phase)
        except (TranslateError, MemoryError):
            raise
        except ANYTHING as exc:  # a component may raise anything
            yield replace(game.pipeline.problem(use.path, failure(use, exc).sentences, phase=phase), plugin=True)


def _idle_networks(game: Game, plan: Plan, phase: int) -> Iterator[Problem]:
    """Networks that a turn names, but that none of its losses depends on."""
    nodes = game.graphs[phase].nodes
    reached = frozenset[str]().union(*(nodes[slot // 2].networks for term in plan.terms for _, slot in term.arguments))
    for name in plan.turn.learn:
        if name not in reached:
            text = f"network '{name}' learns in turn '{plan.turn.name}', but none of the turn's losses depends on it"
            yield game.pipeline.problem(("networks", name), text, of="key", phase=phase)


def _idle_thresholds(game: Game, plan: Plan, phase: int) -> Iterator[Problem]:
    """Losses under `skip_below` that do not count in the turn, so that it does not know their values."""
    turn, counting = plan.turn, [term.name for term in plan.terms]
    for name in turn.skip_below if isinstance(turn.skip_below, Mapping) else ():
        if name not in counting:
            text = f"loss '{name}' does not count in turn '{turn.name}'. Name some of {', '.join(counting)}"
            yield game.pipeline.problem(("turns", turn.name, "skip_below", name), text, of="key", phase=phase)


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
            except ANYTHING as exc:  # a component may raise anything
                yield _failed(game, term, draw, exc, phase)
                continue
            if loss is not None and loss.ndim:
                text = f"a loss must be a single number (got a tensor of shape {tuple(loss.shape)})"
                yield pipeline.problem(("losses", term.name), text, phase=phase)
    finally:
        plan.terms = terms


def _failed(game: Game, term: PlannedTerm, draw: Draw, exc: BaseException, phase: int) -> Problem:
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
