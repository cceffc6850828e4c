"""The check before anything starts: shapes, terms, and combinations that are known to be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from translate.components import Catalogue
from translate.errors import ComponentError, PipelineError, PluginError, Problem
from translate.pipeline.building import Game, build_meta, example
from translate.pipeline.evaluating import Evaluator, Plan
from translate.pipeline.settings import Pipeline
from translate.specs import Spec


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
    game = build_meta(pipeline, fields, catalogue=catalogue)
    problems: list[Problem] = []
    for index in range(len(pipeline.phases)):
        problems += _check_phase(game, index)
    if problems:
        raise PipelineError(list(dict.fromkeys(problems)))
    return game


def _check_phase(game: Game, index: int) -> list[Problem]:
    pipeline, problems = game.pipeline, []
    evaluator = Evaluator(game, index)
    step = pipeline.phases[index].start
    for name, turn in pipeline.phases[index].turns.items():
        plan = evaluator.plan(name, ())
        if not plan.terms:
            text = f"no loss depends on {', '.join(turn.learn)} on the side of the {turn.side}"
            problems.append(pipeline.problem(("turns", name), text))
            continue
        problems += _run_turn(game, evaluator, plan, step)
        problems += _known_wrong(game, plan, index)
    evaluator.release()
    return problems


def _run_turn(game: Game, evaluator: Evaluator, plan: Plan, step: int) -> list[Problem]:
    pipeline, problems = game.pipeline, []
    count = max(1, pipeline.training.batch_size // (pipeline.training.accumulate * pipeline.training.devices))
    fields = {name: example(spec, count) for name, spec in game.fields.items()}

    def sample(name: str) -> torch.Tensor:
        return example(game.latents[name].spec, count)

    draw = evaluator.begin(fields, step, sample)
    terms = plan.terms
    try:
        for term in terms:
            plan.terms = [term]
            try:
                result = evaluator.run_turn(draw, plan.turn.name)
            except PluginError as exc:
                path = tuple((exc.where or "").split(".")) if term.name not in (exc.where or "") else ("losses", term.name)
                problems.append(pipeline.problem(path, exc.what))
                continue
            if result.loss is not None and result.loss.ndim:
                text = f"a loss must be a single number (got a tensor of shape {tuple(result.loss.shape)})"
                problems.append(pipeline.problem(("losses", term.name), text))
    finally:
        plan.terms = terms
    return problems


def _known_wrong(game: Game, plan: Plan, phase: int) -> list[Problem]:
    """Combinations that train without complaint and give the wrong result."""
    pipeline, problems = game.pipeline, []
    optimizer = pipeline.phases[phase].optimizers[plan.turn.name]
    for term in plan.terms:
        loss = term.term.use.entry.factory
        path = ("losses", term.name)
        called = _networks_of(game, phase, plan, term.arguments)
        if getattr(loss, "is_penalty", False):
            if optimizer.clip_weights is not None:
                text = "a gradient penalty and weight clipping constrain the same thing; remove one of them"
                problems.append(pipeline.problem(path, text))
            problems += [
                pipeline.problem(
                    path,
                    f"network '{name}' has batch normalisation, which ties the samples of a batch together, so a "
                    "penalty per sample is not defined (Gulrajani et al. 2017, section 4). Give it `norm: instance`, "
                    "`norm: layer` or `norm: none`",
                )
                for name in called
                if _has(game.networks[name], nn.modules.batchnorm._BatchNorm)  # noqa: SLF001
            ]
        if getattr(loss, "expects_logits", False):
            problems += [
                pipeline.problem(
                    path,
                    f"network '{name}' ends in a sigmoid, but this loss takes logits: the sigmoid would be applied twice",
                )
                for name in called
                if _ends_in_sigmoid(game.networks[name])
            ]
    return problems


def _networks_of(game: Game, phase: int, plan: Plan, arguments: Any) -> list[str]:
    """Networks whose direct output a term reads."""
    nodes = game.graphs[phase].nodes
    found = []
    for _, slot in arguments:
        node = nodes[slot // 2]
        while node.kind == "attribute":
            node = nodes[node.inputs[0]]
        if node.kind == "network" and node.name in plan.turn.learn:
            found.append(node.name)
    return list(dict.fromkeys(found))


def _has(module: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(part, kind) for part in module.modules())


def _ends_in_sigmoid(module: nn.Module) -> bool:
    leaves = [part for part in module.modules() if not list(part.children())]
    return bool(leaves) and isinstance(leaves[-1], nn.Sigmoid)


__all__ = ["ComponentError", "PipelineError", "check"]
