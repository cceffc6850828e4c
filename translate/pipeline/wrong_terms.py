"""Losses beside networks and values that train without complaint and give the wrong result."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from torch import nn
from torch.nn.utils import parametrize

from translate.errors import Problem
from translate.pipeline.building import other_ranges
from translate.pipeline.compiling import Plan, PlannedTerm
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.measuring import behind
from translate.specs import Image

_Squashing = tuple[str, float, float]
"""What squashes, and the smallest and largest value that comes out."""

_SQUASHING: Final[tuple[tuple[type[nn.Module], _Squashing], ...]] = (
    (nn.Sigmoid, ("sigmoid", 0.0, 1.0)),
    (nn.Hardsigmoid, ("sigmoid", 0.0, 1.0)),
    (nn.Softmax, ("softmax", 0.0, 1.0)),
    (nn.LogSoftmax, ("softmax", -math.inf, 0.0)),
    (nn.Tanh, ("tanh", -1.0, 1.0)),
    (nn.ReLU, ("ReLU", 0.0, math.inf)),
)
_TRANSPARENT: Final = (nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout)
"""What changes no value, or only now and then, at a network's end."""


def wrong_ranges(game: Game, phase: int) -> Iterator[Problem]:
    """Losses whose `low` and `high` are not the range of the images that they are given."""
    for name, term in game.pipeline.phases[phase].losses.items():
        given = [game.specs.get((phase, index)) for index in game.term_nodes[phase][name].values()]
        for spec, wrong in other_ranges(term.use.choices, given):
            written = ", ".join(f"{key}: {value:g}" for key, value in wrong.items())
            text = f"{term.use.name} is told another value range than that of {spec}. Write `{written}`"
            yield game.pipeline.problem(("losses", name), text, phase=phase)


def wrong_terms(game: Game, plan: Plan, phase: int) -> Iterator[Problem]:
    """What is wrong with the losses of a turn."""
    optimizer = game.pipeline.phases[phase].optimizers[plan.turn.name]
    for term in plan.terms:
        loss = term.term.use.entry.factory
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
                "section 3). Add a gradient penalty, `clip_weights` to the optimiser, or `weights: spectral` in a "
                "critic without batch or layer normalisation, whose scale would be free"
                for name in learning
                if not _is_bounded(game, plan, name, phase)
            ]
        texts += _squashed(game, phase, term)
        texts += _moved(game, phase, term)
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


def clipped_weights(game: Game, plan: Plan, phase: int) -> Iterator[Problem]:
    """Weight clipping where what is stored is not what the network computes with."""
    turn = plan.turn
    if game.pipeline.phases[phase].optimizers[turn.name].clip_weights is None:
        return
    for name in turn.learn:
        use = game.pipeline.networks[name].weights
        if use is not None or any(map(parametrize.is_parametrized, game.networks[name].modules())):
            written = f"`weights: {use.name}`" if use is not None else "its own parametrisation"
            text = (
                f"`clip_weights` in turn '{turn.name}' clamps the numbers that network '{name}' stores, not the "
                f"weights that {written} makes of them; remove one of them"
            )
            yield game.pipeline.problem(("networks", name), text, phase=phase)


def _is_bounded(game: Game, plan: Plan, network: str, phase: int) -> bool:
    """Whether the slope of a critic is held: by clipping, by a penalty on it, or by its weights' parametrisation."""
    if game.pipeline.phases[phase].optimizers[plan.turn.name].clip_weights is not None:
        return True
    weights = game.pipeline.networks[network].weights
    bounds = weights is not None and getattr(weights.entry.factory, "bounds_weights", False)  # all, or it refuses
    if bounds and not _has_batch_norm(game.networks[network]) and not _has_free_scale(game.networks[network]):
        return True
    penalties = [term for term in plan.terms if getattr(term.term.use.entry.factory, "is_penalty", False)]
    return any(network in _learning_networks(game, plan, phase, term) for term in penalties)


def _learning_networks(game: Game, plan: Plan, phase: int, term: PlannedTerm) -> list[str]:
    """Networks that learn in a turn and that a term's values come through: also the trunk behind a head."""
    nodes = game.graphs[phase].nodes
    reached = frozenset[str]().union(*(nodes[slot // 2].networks for _, slot in term.arguments))
    return [name for name in plan.turn.learn if name in reached]


def _direct(game: Game, phase: int, term: PlannedTerm) -> list[Node]:
    """What a term reads, also as a part (`judged.validity`), in a list, or through what keeps values (`concat`)."""
    nodes = game.graphs[phase].nodes
    pending = [slot // 2 for _, slot in term.arguments]
    found: list[Node] = []
    while pending:
        node = nodes[pending.pop(0)]
        if node.kind in {"attribute", "sequence"} or node.is_marked("keeps_values"):
            pending += node.inputs
        elif node not in found:
            found.append(node)
    return found


def _squashed(game: Game, phase: int, term: PlannedTerm) -> Iterator[str]:
    """Sigmoids and their like before a loss that takes what comes before one, or that wants what they cannot reach."""
    use = term.term.use
    takes_logits = getattr(use.entry.factory, "expects_logits", False)
    labels = {key: use.choices[key] for key in getattr(use.entry.factory, "label_choices", ())}
    for node in _direct(game, phase, term):
        if node.is_marked("makes_probabilities"):
            ending, what = _SQUASHING[0][1], f"`{node.text}` is a probability"
            fix = "Give it that"
        elif node.kind == "network" and (squashing := squashing_end(game.networks[node.name])):
            ending, what = squashing, f"network '{node.name}' ends in a {squashing[0]}"
            fix = f"Remove the {squashing[0]}"
        else:
            continue
        name, low, high = ending
        beyond = {key: label for key, label in labels.items() if not low <= label <= high}
        if takes_logits:
            yield f"{what}, but this loss takes what comes before a {name}. {fix}"
        elif beyond:
            wanted = ", ".join(f"`{key}: {label:g}`" for key, label in beyond.items())
            yield (
                f"{what}, in [{low:g}, {high:g}], which can never reach {wanted}. Give this loss what comes before "
                f"the {name}, or choose labels within"
            )


def _moved(game: Game, phase: int, term: PlannedTerm) -> Iterator[str]:
    """Values that are compared place by place, and of which each was moved to other places."""
    use, nodes = term.term.use, game.graphs[phase].nodes
    compares = getattr(use.entry.factory, "compares_places", None)
    if compares is None or any(use.choices.get(key) != value for key, value in compares.items()):
        return
    generators = frozenset(name for name in game.pipeline.networks if game.pipeline.side(name) == "generators")
    moved = [
        {node.index: node for node in behind(nodes, generators, slot // 2) if node.is_marked("moves_values")}
        for _, slot in term.arguments
    ]
    different = [node for found in moved for node in found.values() if any(node.index not in other for other in moved)]
    if different:
        yield (
            f"`{different[0].text}` moves what it is given to places drawn at random, and this loss compares values "
            "place by place: it would not be 0 for a perfect fake. Give it the features of what is not augmented, or "
            "a form that compares means, such as `match: batch_mean`"
        )


def _has_batch_norm(module: nn.Module) -> bool:
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())  # noqa: SLF001


def _has_free_scale(module: nn.Module) -> bool:
    """Whether a normalisation has a learned scale, which no parametrisation of weights bounds."""
    return any(isinstance(part, nn.GroupNorm | nn.LayerNorm) and part.weight is not None for part in module.modules())


def squashing_end(module: nn.Module) -> _Squashing | None:
    """The sigmoid, softmax, tanh or ReLU that a network ends in; None where it ends in something else."""
    leaves = [part for part in module.modules() if not list(part.children()) and not isinstance(part, _TRANSPARENT)]
    return next((found for kind, found in _SQUASHING if leaves and isinstance(leaves[-1], kind)), None)
