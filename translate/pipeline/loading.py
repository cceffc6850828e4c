"""Loading a pipeline: find the file, follow `extends`, apply overrides, read all sections, check all names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from translate.components import Catalogue
from translate.errors import PipelineError, PluginError, Position, Problem, UsageError, did_you_mean
from translate.pipeline.document import Document, parse_document, read_document
from translate.pipeline.expressions import Expression, functions, names
from translate.pipeline.merging import apply_overrides, find_missing, merge, resolve_extends
from translate.pipeline.reading import DATA_KEYS, PHASE_KEYS, TOP_LEVEL, Reader
from translate.pipeline.resolving import resolved_document
from translate.pipeline.settings import (
    DataKeys,
    EvaluationKeys,
    InferenceKeys,
    Path_,
    Phase,
    Pipeline,
    TrainingKeys,
    Use,
)
from translate.plugin_manager import default_manager

GAME_SECTIONS = ("networks", "flow", "losses", "turns", "phases", "preview", "export", "evaluation")
DEFAULT_OBSERVERS = ("terminal", "metrics_file", "samples", "tensorboard")


def load_pipeline(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    catalogue: Catalogue | None = None,
) -> Pipeline:
    """Load a pipeline and check everything that can be known without data: keys, names, types, ranges.

    Args:
        source: Name of a shipped pipeline, path of a YAML file, or the pipeline as plain data.
        overrides: `a.b=value`, as on the command line.
        catalogue: Where components are looked up; by default all installed plugins.

    Raises:
        PipelineError: Holds every problem, with file, line and column.
        UsageError: There is no such pipeline.
        PluginError: A component that is needed cannot be imported.
    """
    catalogue = catalogue or default_manager().catalogue
    document = apply_overrides(_extended(source, catalogue), overrides, keep=DATA_KEYS)
    file = source if isinstance(source, Path) else Path(source) if isinstance(source, str) and _is_path(source) else None
    return read_pipeline(document, catalogue, file=file)


def _extended(source: str | Path | Mapping[str, Any], catalogue: Catalogue) -> Document:
    return resolve_extends(find_document(source, catalogue), _parent_loader(catalogue), keep=DATA_KEYS)


def find_document(source: str | Path | Mapping[str, Any], catalogue: Catalogue) -> Document:
    """Read the document that a name or path leads to, without following `extends`.

    Raises:
        UsageError: There is no such pipeline.
        PipelineError: The file is not strict YAML.
    """
    if isinstance(source, Mapping):
        from translate.pipeline.dumping import dump

        return parse_document(dump(source), name="pipeline")
    if isinstance(source, Path) or _is_path(source):
        path = Path(source)
        if not path.is_file():
            near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
            raise UsageError(
                f"there is no pipeline file '{path}'.{did_you_mean(path.name, near)}",
                where=str(path.resolve().parent),
                fix="give the path of a YAML file, or the name of a shipped pipeline: `translate list pipelines`",
            )
        return read_document(path)
    if source not in catalogue.pipelines:
        known = list(catalogue.pipelines)
        listing = f" Shipped: {', '.join(known) or 'none'}."
        failed = f" Not loaded: {'; '.join(catalogue.not_loaded)}." if catalogue.not_loaded else ""
        raise UsageError(
            f"no pipeline is named '{source}'.{did_you_mean(source, known)}{listing}{failed}",
            fix="give the name of a shipped pipeline (`translate list pipelines`) or the path of a .yaml file",
        )
    shipped, provider = catalogue.pipelines[source]
    try:
        text = (resources.files(shipped.package) / shipped.file).read_bytes()
    except (OSError, ModuleNotFoundError) as exc:
        raise PluginError(f"the shipped pipeline '{source}' cannot be read ({exc})", where=str(provider)) from exc
    return parse_document(text, name=f"{source}.yaml")


def _is_path(source: str) -> bool:
    return source.endswith((".yaml", ".yml")) or "/" in source or "\\" in source


def _parent_loader(catalogue: Catalogue) -> Any:
    def load(name: str, position: Position) -> Document:
        try:
            beside = Path(position.file).parent / name if _is_path(name) and position.line else name
            return find_document(beside, catalogue)
        except UsageError as exc:
            raise PipelineError([Problem(position, "extends", exc.what)]) from exc

    return load


def read_pipeline(document: Document, catalogue: Catalogue, *, file: Path | None = None) -> Pipeline:
    """Read all sections of a merged document.

    Raises:
        PipelineError: Holds every problem.
    """
    reader = Reader(document, catalogue)
    reader.problems += find_missing(document)
    data = document.data
    reader.allowed_keys((), data, TOP_LEVEL)
    if not isinstance(data.get("description", ""), str):
        reader.problem(("description",), "must be a text")
    dataset, keys = _read_data(reader)
    latents, schedules = reader.uses(("latent",), "latents"), reader.uses(("schedule",), "schedules")
    networks = reader.uses(("generator", "discriminator"), "networks")
    if not data.get("networks"):
        reader.problem(("networks",), "a pipeline needs at least one network", of="key")
    training, observers = _read_training(reader)
    phases = _read_phases(reader, networks, schedules)
    inference_keys = reader.mapping(("inference",), data.get("inference"), "settings")
    inference = reader.section(InferenceKeys, ("inference",), inference_keys)
    evaluation, metrics = _read_evaluation(reader)
    pipeline = Pipeline(
        name=Path(document.name).stem,
        file=file,
        document=document,
        description=str(data.get("description", "")).strip(),
        resolved={},
        dataset=dataset,  # type: ignore[arg-type]
        data=keys,
        latents=latents,
        schedules=schedules,
        networks=networks,
        phases=tuple(phases),
        training=training,
        observers=observers,
        preview=reader.expressions("preview"),
        exports=reader.exports(),
        inference=inference,
        evaluation=evaluation,
        metrics=metrics,
    )
    fields = field_names(dataset) if dataset else None
    if fields is not None:
        check_names(reader, pipeline, fields)
    if not any(problem.path.split(".")[0] in GAME_SECTIONS for problem in reader.problems):
        check_usage(reader, pipeline)  # with a broken term every value that it used would be reported as unused
    if reader.problems:
        raise PipelineError(_unique(reader.problems))
    object.__setattr__(pipeline, "resolved", resolved_document(pipeline))
    return pipeline


def _read_data(reader: Reader) -> tuple[Use | None, DataKeys]:
    section = reader.mapping(("data",), reader.document.data.get("data"), "`dataset: NAME` and its parameters")
    if not section:
        reader.problem(("data",), "a pipeline needs `data: {dataset: NAME, ...}`", of="key")
        return None, DataKeys()
    dataset = reader.use(("dataset",), ("data",), section, core=DATA_KEYS)
    keys = reader.section(DataKeys, ("data",), {key: item for key, item in section.items() if key in DATA_KEYS})
    low, high = (*(keys.value_range or (-1.0, 1.0)),)[:2]
    if low >= high:
        reader.problem(("data", "value_range"), f"the first value must be below the second (got {keys.value_range})")
    reader.transforms(keys)
    return dataset, keys


def _read_training(reader: Reader) -> tuple[TrainingKeys, tuple[Use, ...]]:
    section = reader.mapping(("training",), reader.document.data.get("training"), "settings")
    keys = reader.section(TrainingKeys, ("training",), section)
    listed: Sequence[Any] = keys.observers if keys.observers is not None else _default_observers(reader.catalogue)
    uses = [reader.use(("observer",), ("training", "observers", i), item) for i, item in enumerate(listed)]
    parts = (keys.accumulate or 1) * (keys.devices or 1) * (keys.nodes or 1)
    if keys.batch_size and keys.batch_size % parts:
        text = f"must be a multiple of accumulate x devices x nodes = {parts} (got {keys.batch_size})"
        reader.problem(("training", "batch_size"), text)
    return keys, tuple(use for use in uses if use is not None)


def _default_observers(catalogue: Catalogue) -> list[str]:
    from importlib.util import find_spec

    known = catalogue.names("observer")
    return [name for name in DEFAULT_OBSERVERS if name in known and (name != "tensorboard" or find_spec("tensorboard"))]


def _read_phases(reader: Reader, networks: Mapping[str, Use], schedules: Mapping[str, Use]) -> Iterator[Phase]:
    phases = [reader.phase(0, networks, schedules)]
    listed = reader.document.data.get("phases") or []
    if not isinstance(listed, Sequence) or isinstance(listed, str):
        reader.problem(("phases",), f"must be a list of phases (got {listed!r})")
        listed = []
    document = reader.document
    for index, value in enumerate(listed):
        path = ("phases", index)
        if not isinstance(value, Mapping) or not isinstance(value.get("start"), int) or isinstance(value["start"], bool):
            reader.problem(path, "a phase needs `start: STEP`")
            continue
        reader.allowed_keys(path, value, PHASE_KEYS)
        if isinstance(value.get("training"), Mapping):
            reader.allowed_keys((*path, "training"), value["training"], ("optimizers",))
        if value["start"] <= phases[-1].start:
            reader.problem((*path, "start"), f"phases must start later and later (got {value['start']})")
        document = merge(document, _sub_document(reader.document, path), keep=DATA_KEYS)
        inner = Reader(document, reader.catalogue)
        phases.append(inner.phase(value["start"], networks, schedules))
        reader.problems += inner.problems
    return iter(phases)


def _sub_document(document: Document, path: Path_) -> Document:
    """The part of a document below a path, as a document of its own that remembers its positions."""
    data: Any = document.data
    for part in path:
        data = data[part]
    depth = len(path)
    positions = {key[depth:]: places for key, places in document.positions.items() if key[:depth] == path}
    inner = {key: item for key, item in data.items() if key != "start"}
    return Document(data=inner, positions=positions, name=document.name)


def _read_evaluation(reader: Reader) -> tuple[EvaluationKeys, dict[str, Use]]:
    section = reader.mapping(("evaluation",), reader.document.data.get("evaluation"), "split, metrics, baseline")
    keys = reader.section(EvaluationKeys, ("evaluation",), section)
    metrics = {}
    for name, value in (keys.metrics or {}).items():
        use = reader.use(("metric",), ("evaluation", "metrics", name), value)
        if use is not None:
            metrics[name] = use
    return keys, metrics


def field_names(dataset: Use) -> tuple[str, ...] | None:
    """Names of a dataset's fields where the factory declares them, so that names are checked before data is opened."""
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


def check_names(reader: Reader, pipeline: Pipeline, fields: Iterable[str]) -> None:
    """Report every name in an expression that is no field, latent, schedule or flow entry, and every unknown function."""
    given = [*fields, *pipeline.latents, *pipeline.schedules]
    operations = reader.catalogue.names("operation")
    for phase in pipeline.phases:
        for name in phase.flow:
            if name in given:
                reader.problem(("flow", name), f"'{name}' is already a field, latent or schedule", of="key")
    for name in pipeline.networks:
        if name in operations:
            reader.problem(("networks", name), f"'{name}' is already an operation; choose another name", of="key")
    for path, expression, phase in all_expressions(pipeline):
        values = [*given, *pipeline.phases[phase].flow]
        reader.names_known(path, expression, values, [*pipeline.networks, *operations])
    for name, export in pipeline.exports.items():
        for index, item in enumerate(export.inputs):
            if item not in given:
                text = f"no field or latent is named '{item}'.{did_you_mean(item, given)} Known: {', '.join(given)}."
                reader.problem(("export", name, "inputs", index), text)
    baseline = pipeline.evaluation.baseline
    if baseline is not None:
        for key, known in (("by", [*fields]), ("give", [*fields]), ("instead_of", [*pipeline.phases[-1].flow])):
            value = getattr(baseline, key)
            if value not in known:
                text = f"'{value}' is not known here.{did_you_mean(value, known)} Known: {', '.join(known)}."
                reader.problem(("evaluation", "baseline", key), text)


def check_usage(reader: Reader, pipeline: Pipeline) -> None:
    """Report flow entries that nothing uses, networks that nobody trains or calls, turns without a term."""
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
            pending += names(expression) - used
            used |= names(expression)
    for name in flow:
        if name not in used:
            near = did_you_mean(name, sorted(used - set(flow)))
            reader.problem(("flow", name), f"nothing uses this value.{near} Use it or remove it.", of="key")
    trained = {network for phase in pipeline.phases for turn in phase.turns.values() for network in turn.learn}
    for name in pipeline.networks:
        if name not in called:
            near = did_you_mean(name, sorted(called - set(pipeline.networks)))
            reader.problem(("networks", name), f"no expression calls this network.{near}", of="key")
        elif name not in trained and pipeline.phases[0].turns:
            reader.problem(("networks", name), "no turn trains this network", of="key")
    listed = {name for phase in pipeline.phases for turn in phase.turns.values() for name in turn.losses or phase.losses}
    for name in {name for phase in pipeline.phases for name in phase.losses} - listed:
        reader.problem(("losses", name), "no turn uses this loss", of="key")


def _unique(problems: Iterable[Problem]) -> list[Problem]:
    ordered = sorted(set(problems), key=lambda p: (p.position.file, p.position.line, p.position.column, p.path))
    kept: list[Problem] = []
    for problem in ordered:
        if not any(p.position == problem.position and p.path == problem.path for p in kept):
            kept.append(problem)
    return kept
