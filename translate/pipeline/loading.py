"""Loading a pipeline: find the file, follow `extends`, apply overrides, read all sections, check all names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, cast

from translate.components import Catalogue
from translate.errors import PipelineError, PluginError, Position, Problem, UsageError, did_you_mean
from translate.pipeline.document import Document, parse_document, read_document
from translate.pipeline.dumping import dump
from translate.pipeline.merging import apply_overrides, find_missing, resolve_extends
from translate.pipeline.missing import missing_plugin, recorded_components
from translate.pipeline.naming import all_expressions, circular_flow, field_names, unknown_names, unused_parts
from translate.pipeline.phases import read_phases
from translate.pipeline.reading import TOP_LEVEL, Reader
from translate.pipeline.resolving import resolved_document
from translate.pipeline.sections import (
    read_data,
    read_evaluation,
    read_exports,
    read_inference,
    read_networks,
    read_preview,
    read_training,
)
from translate.pipeline.settings import Pipeline, Use
from translate.pipeline.staying import keys_that_stay
from translate.pipeline.unfinished import leave_open, open_settings, without
from translate.plugin_manager import default_manager

__all__ = ["all_expressions", "field_names", "find_document", "load_pipeline", "read_pipeline"]

NAMING_SECTIONS = ("latents", "schedules", "networks", "flow")
GAME_SECTIONS = ("networks", "flow", "losses", "turns", "phases", "preview", "export", "evaluation")


def load_pipeline(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    catalogue: Catalogue | None = None,
    complete: bool = True,
    run: Path | None = None,
) -> Pipeline:
    """Load a pipeline and check everything that can be known without data: keys, names, types, ranges.

    Args:
        source: Name of a shipped pipeline, path of a YAML file, or the pipeline as plain data.
        overrides: `a.b=value`, as on the command line.
        catalogue: Where components are looked up; by default all installed plugins.
        complete: Whether every value must be given. To show a pipeline, settings may stay `???`; the game may not.
        run: Folder of the run that it is loaded for: where that is there already, it tells which plugin is missing.

    Raises:
        PipelineError: Holds every problem, with file, line and column.
        UsageError: There is no such pipeline.
        PluginError: A component that is needed cannot be imported, or its plugin is not installed any more.
    """
    catalogue = catalogue or default_manager().catalogue
    keep = keys_that_stay(catalogue)
    extended = resolve_extends(find_document(source, catalogue), _parent_loader(catalogue), keep=keep)
    document = apply_overrides(extended, overrides, keep=keep)
    file = None if isinstance(source, Mapping) or not _is_path(source, catalogue) else Path(source)
    try:
        return read_pipeline(document, catalogue, file=file, complete=complete)
    except PipelineError as exc:
        for folder in (run, file.parent if file is not None else None):
            recorded = recorded_components(folder) if folder is not None else ()
            if missing := missing_plugin(exc, recorded, str(folder), catalogue):
                raise missing from exc
        raise


def find_document(source: str | Path | Mapping[str, Any], catalogue: Catalogue) -> Document:
    """Read the document that a name or path leads to, without following `extends`.

    Raises:
        UsageError: There is no such pipeline.
        PipelineError: The file is not strict YAML.
    """
    if isinstance(source, Mapping):
        return parse_document(dump(source), name="pipeline")
    if _is_path(source, catalogue):
        return _read_file(Path(source))
    try:
        shipped, provider = catalogue.find_pipeline(str(source))
    except LookupError as exc:
        fix = "give the name of a shipped pipeline (`translate list pipelines`) or the path of a .yaml file"
        raise UsageError(str(exc.args[0]), fix=fix) from exc
    try:
        text = (resources.files(shipped.package) / shipped.file).read_bytes()
    except (OSError, ModuleNotFoundError) as exc:
        raise PluginError(f"the shipped pipeline '{source}' cannot be read ({exc})", where=str(provider)) from exc
    return parse_document(text, name=f"{shipped.name}.yaml")


def _read_file(path: Path) -> Document:
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        raise UsageError(
            f"there is no pipeline file '{path}'.{did_you_mean(path.name, near)}",
            where=str(path.resolve().parent),
            fix="give the path of a YAML file, or the name of a shipped pipeline: `translate list pipelines`",
        )
    return read_document(path)


def _is_path(source: str | Path, catalogue: Catalogue) -> bool:
    """Whether a file is meant, not a shipped pipeline's bare name or `plugin/name`."""
    if isinstance(source, Path) or source.endswith((".yaml", ".yml")):
        return True
    if "/" not in source and "\\" not in source:
        return False
    try:
        catalogue.find_pipeline(source)
    except LookupError:
        return True
    return False


def _parent_loader(catalogue: Catalogue) -> Callable[[str, Position], Document]:
    def load(name: str, position: Position) -> Document:
        try:
            # A file stands beside the one that extends it.
            return find_document(Path(position.file).parent / name if _is_path(name, catalogue) else name, catalogue)
        except UsageError as exc:
            raise PipelineError([Problem(position, "extends", exc.what)]) from exc

    return load


def read_pipeline(
    document: Document, catalogue: Catalogue, *, file: Path | None = None, complete: bool = True
) -> Pipeline:
    """Read all sections of a merged document; `complete` as for `load_pipeline`.

    Raises:
        PipelineError: Holds every problem.
    """
    reader = Reader(document, catalogue)
    reader.problems += find_missing(document)
    _check_top_level(reader)
    dataset, data = read_data(reader)
    latents, schedules = reader.uses(("latent",), "latents"), reader.uses(("schedule",), "schedules")
    networks = read_networks(reader)
    training, observers = read_training(reader)
    phases = read_phases(reader, networks, schedules)
    evaluation, metrics = read_evaluation(reader)
    pipeline = Pipeline(
        name=Path(document.name).stem,
        file=file,
        document=document,
        description=str(document.data.get("description", "")).strip(),
        resolved={},
        dataset=cast("Use", dataset),  # None only with a problem, which is raised below
        data=data,
        latents=latents,
        schedules=schedules,
        networks=networks,
        phases=tuple(phases),
        training=training,
        observers=observers,
        preview=read_preview(reader),
        exports=read_exports(reader),
        inference=read_inference(reader),
        evaluation=evaluation,
        metrics=metrics,
    )
    fields = field_names(dataset) if dataset else None
    reader.problems += unknown_names(pipeline, fields, catalogue, broken=_broken_names(reader.problems))
    reader.problems += circular_flow(pipeline)
    if not any(_section(problem) in GAME_SECTIONS for problem in reader.problems):
        reader.problems += unused_parts(pipeline)  # with a broken term, all that it used would be reported as unused
    still_open = () if complete else open_settings(document)
    if problems := without(reader.problems, still_open):
        raise PipelineError(_in_order(problems))
    object.__setattr__(pipeline, "resolved", leave_open(resolved_document(pipeline), still_open))
    return pipeline


def _check_top_level(reader: Reader) -> None:
    reader.allowed_keys((), reader.data, TOP_LEVEL)
    if not isinstance(reader.data.get("description", ""), str):
        reader.problem(("description",), f"must be a text (got {reader.data['description']!r})")
    if "extends" in reader.data:  # what a file extends is merged by now
        reader.problem(("extends",), "an override comes too late for this: write `extends` in the file")
    if not reader.data.get("networks"):
        reader.problem(("networks",), "a pipeline needs at least one network", of="key")


def _broken_names(problems: Iterable[Problem]) -> set[str]:
    """Names of entries that have a problem of their own: that they are used elsewhere is no further problem."""
    paths = [problem.path.split(".") for problem in problems]
    inner = [path[2:] if path[0] == "phases" else path for path in paths]
    return {path[1] for path in inner if len(path) > 1 and path[0] in NAMING_SECTIONS}


def _section(problem: Problem) -> str:
    return problem.path.split(".")[0]


def _in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sorted by place; of several problems of one value the first that was found."""
    first: dict[tuple[Position, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.position, problem.path), problem)
    return sorted(first.values(), key=lambda p: (p.position.file, p.position.line, p.position.column))
