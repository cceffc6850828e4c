"""Names across the sections: every name that an expression uses exists, and everything that has a name is used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from translate.components import Catalogue
from translate.errors import Problem, did_you_mean
from translate.pipeline.expressions import Call, Expression, Name, functions, names, walk
from translate.pipeline.settings import Path_, Pipeline, Use


def field_names(dataset: Use) -> tuple[str, ...] | None:
    """Names of a dataset's fields where its factory declares them, so that names are checked before data is opened."""
    declared = getattr(dataset.entry.factory, "field_names", None)
    return tuple(declared) if declared is not None else None


def all_expressions(pipeline: Pipeline) -> Iterator[tuple[Path_, Expression, int]]:
    """Every expression of a pipeline with its path and the phase whose flow it sees."""
    for index, phase in enumerate(pipeline.phases):
        for name, expression in phase.flow.items():
            yield ("flow", name), expression, index
        for name, term in phase.losses.items():
            for parameter, expression in term.use.expressions.items():
                yield ("losses", name, parameter), expression, index
    last = len(pipeline.phases) - 1
    for name, use in pipeline.networks.items():
        for key, value in use.specs.items():
            for expression in value.values() if isinstance(value, Mapping) else [value]:
                yield ("networks", name, key), expression, 0
    for position, expression in enumerate(pipeline.preview):
        yield ("preview", position), expression, last
    for name, export in pipeline.exports.items():
        yield ("export", name, "output"), export.output, last
    for name, use in pipeline.metrics.items():
        for parameter, expression in use.expressions.items():
            yield ("evaluation", "metrics", name, parameter), expression, last


def unknown_names(
    pipeline: Pipeline, fields: Iterable[str] | None, catalogue: Catalogue, *, broken: Collection[str] = ()
) -> list[Problem]:
    """Every name in an expression that means nothing, and every name that means two things.

    Args:
        pipeline: A pipeline whose sections are read.
        fields: Names of the data's fields; None = not known yet, then only functions are checked.
        catalogue: Gives the operations.
        broken: Names of entries that could not be read; using them is no further problem.
    """
    operations = catalogue.names("operation")
    callables = [*pipeline.networks, *operations]
    problems = list(_double_names(pipeline, fields or (), operations))
    for path, expression, phase in all_expressions(pipeline):
        values = None
        if fields is not None:
            values = [*fields, *pipeline.latents, *pipeline.schedules, *pipeline.phases[phase].flow]
        problems += _unknown_in(pipeline, path, expression, phase, values, callables, broken, catalogue.not_loaded)
    if fields is not None:
        problems += _unknown_elsewhere(pipeline, list(fields), broken)
    return problems


def _unknown_in(
    pipeline: Pipeline,
    path: Path_,
    expression: Expression,
    phase: int,
    values: list[str] | None,
    callables: list[str],
    broken: Collection[str],
    not_loaded: Sequence[str],
) -> Iterator[Problem]:
    for part in walk(expression):
        if isinstance(part, Name) and values is not None and part.id not in values and part.id not in broken:
            text = f"no value is named '{part.id}'.{did_you_mean(part.id, values)}"
            if part.id in callables:
                text += f" '{part.id}' is called, as `{part.id}(...)`."
            yield pipeline.problem(path, f"{text} Values: {', '.join(values)}.", column=part.column, phase=phase)
        if isinstance(part, Call) and part.function not in callables and part.function not in broken:
            hint = did_you_mean(part.function, callables)
            text = f"no network or operation is named '{part.function}'.{hint} Known: {', '.join(callables)}."
            text += f" Not loaded: {'; '.join(not_loaded)}." if not_loaded else ""
            problem = pipeline.problem(path, text, column=part.column, phase=phase)
            yield replace(problem, plugin=bool(not_loaded) and not hint)


def _double_names(pipeline: Pipeline, fields: Iterable[str], operations: Iterable[str]) -> Iterator[Problem]:
    fields, operations = list(fields), list(operations)
    kinds = {"field": fields, "latent": list(pipeline.latents), "schedule": list(pipeline.schedules)}

    def taken(name: str, but: str) -> str | None:
        return next((kind for kind, known in kinds.items() if kind != but and name in known), None)

    for section, own in (("latents", "latent"), ("schedules", "schedule")):
        for name in kinds[own]:
            if kind := taken(name, own):
                yield pipeline.problem((section, name), f"'{name}' is already the name of a {kind}", of="key")
    for index, phase in enumerate(pipeline.phases):
        for name in phase.flow:
            if kind := taken(name, "flow"):
                yield pipeline.problem(
                    ("flow", name), f"'{name}' is already the name of a {kind}", of="key", phase=index
                )
    for name in pipeline.networks:
        if name in operations:
            text = f"'{name}' is already the name of an operation; choose another"
            yield pipeline.problem(("networks", name), text, of="key")


def _unknown_elsewhere(pipeline: Pipeline, fields: list[str], broken: Collection[str]) -> Iterator[Problem]:
    """Names that are not in expressions: fields, inputs of exports, the baseline."""
    flow = list(pipeline.phases[-1].flow)
    places: list[tuple[Path_, str, list[str], str]] = [
        (("data", "interpolation", name), name, fields, "a field of the data") for name in pipeline.data.interpolation
    ]
    for name, export in pipeline.exports.items():
        inputs = [*fields, *pipeline.latents]
        places += [
            (("export", name, "inputs", index), item, inputs, "a field or a latent")
            for index, item in enumerate(export.inputs)
        ]
    if (baseline := pipeline.evaluation.baseline) is not None:
        path: Path_ = ("evaluation", "baseline")
        places += [((*path, key), getattr(baseline, key), fields, "a field of the data") for key in ("by", "give")]
        places += [((*path, "instead_of"), baseline.instead_of, flow, "an entry of the flow")]
    for place, name, known, what in places:
        if name not in known and name not in broken:
            text = f"'{name}' is not {what}.{did_you_mean(name, known)} Known: {', '.join(known) or 'none'}."
            yield pipeline.problem(place, text, of="key" if place[1] == "interpolation" else "value")


def circular_flow(pipeline: Pipeline) -> Iterator[Problem]:
    """Report flow entries that depend on themselves, once for each circle."""
    for index, phase in enumerate(pipeline.phases):
        done: set[str] = set()
        for name in phase.flow:
            for circle in _circles(name, (), phase.flow, done):
                text = f"this value depends on itself: {' -> '.join(circle)}"
                yield pipeline.problem(("flow", circle[0]), text, of="key", phase=index)


def _circles(
    name: str, way: tuple[str, ...], flow: Mapping[str, Expression], done: set[str]
) -> Iterator[tuple[str, ...]]:
    """Circles that can be reached from a name by a way that was walked already."""
    if name in way:
        yield (*way[way.index(name) :], name)
    elif name in flow and name not in done:
        for below in sorted(names(flow[name])):
            yield from _circles(below, (*way, name), flow, done)
        done.add(name)


def unused_parts(pipeline: Pipeline) -> Iterator[Problem]:
    """Report flow entries that nothing uses, networks that nobody calls or trains, losses that no turn counts."""
    used, called = _used(pipeline)
    for index, phase in enumerate(pipeline.phases):
        for name in phase.flow:
            if name not in used:
                near = did_you_mean(name, sorted(used - set(phase.flow)))
                text = f"nothing uses this value.{near} Use it or remove it."
                yield pipeline.problem(("flow", name), text, of="key", phase=index)
    trained = {network for phase in pipeline.phases for turn in phase.turns.values() for network in turn.learn}
    for name in pipeline.networks:
        if name not in called:
            near = did_you_mean(name, sorted(called - set(pipeline.networks)))
            yield pipeline.problem(("networks", name), f"no expression calls this network.{near}", of="key")
        elif name not in trained:
            yield pipeline.problem(("networks", name), "no turn trains this network", of="key")
    counted = {
        name
        for phase in pipeline.phases
        for turn in phase.turns.values()
        for name in (phase.losses if turn.losses is None else turn.losses)
    }
    for index, phase in enumerate(pipeline.phases):
        for name in phase.losses:
            if name not in counted:
                yield pipeline.problem(("losses", name), "no turn uses this loss", of="key", phase=index)


def _used(pipeline: Pipeline) -> tuple[set[str], set[str]]:
    """Names of values that something other than the flow needs, directly or through the flow; names of functions."""
    used: set[str] = set()
    called: set[str] = set()
    flow: dict[str, list[Expression]] = {}
    for path, expression, _ in all_expressions(pipeline):
        called |= functions(expression)
        if path[0] == "flow":
            flow.setdefault(str(path[1]), []).append(expression)
        else:
            used |= names(expression)
    pending = list(used)
    while pending:
        for expression in flow.get(pending.pop(), []):
            new = names(expression) - used
            pending += new
            used |= new
    return used, called
