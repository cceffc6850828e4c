"""Opening what a training left: a run's folder or one of its checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from torch import Tensor

from translate.components import Entry
from translate.errors import (
    ANYTHING,
    ComponentError,
    MachineError,
    ModelFileError,
    PipelineError,
    PluginError,
    TranslateError,
    UsageError,
)
from translate.foreign import refuse_pickled
from translate.pictures import shown
from translate.pipeline.building import build
from translate.pipeline.document import read_document
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.loading import load_pipeline
from translate.pipeline.missing import missing_plugin
from translate.pipeline.private import with_paths, without_missing
from translate.pipeline.settings import Path_, Pipeline
from translate.pipeline.watching import component_failed, modules_of
from translate.plugin_manager import default_manager
from translate.specs import Image, Label, Scalar, Spec, Vector
from translate.specs import Tensor as TensorSpec
from translate.training.checkpoint import Checkpoint, Contents, latest_checkpoint, load_checkpoint
from translate.training.checkpoint_folders import STATE, STATE_JSON, WEIGHTS
from translate.training.run import CHECKPOINTS, PIPELINE, USED_WITH

log = logging.getLogger(__name__)

T = TypeVar("T")

_LISTED: Final = 8  # runs that a message lists
_OTHER_CHECKPOINT: Final = "restore it from a copy, or use another checkpoint of the run"
_OTHER_PIPELINE: Final = "use the pipeline with which it was trained"
_NOT_OPENED: Final = frozenset({"losses", "phases", "training", "evaluation"})
"""Sections in which a place that is not known here is no obstacle: nothing of them is needed to use a checkpoint."""

SPECS: Mapping[str, type[Spec]] = {spec.__name__: spec for spec in (Image, Label, Scalar, TensorSpec, Vector)}


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A trained pipeline.

    Attributes:
        pipeline: As it was trained.
        game: Its networks on the CPU; generators hold their averaged weights where the run kept an average.
        step: Iterations done.
        checkpoint: The checkpoint's folder.
        run_folder: The run's folder.
        manifest: Metadata of the checkpoint: versions, plugins, seed.
    """

    pipeline: Pipeline
    game: Game
    step: int
    checkpoint: Path
    run_folder: Path
    manifest: Mapping[str, Any]


def open_trained(path: str | Path) -> Opened:
    """Open a run (its newest checkpoint) or a checkpoint. The data is not read.

    Of a run, the sections `inference`, `export` and `evaluation` are those of its `pipeline.yaml`, which the command
    that trained it renews; a checkpoint that is named itself has those that it was saved with.

    Raises:
        UsageError: There is nothing at this path.
        ModelFileError: The checkpoint is damaged, or does not fit its own pipeline.
        PluginError: A component that it needs is not installed; names what supplied it.
    """
    folder = find_checkpoint(Path(path))
    checkpoint = read_or_name_another(folder, partial(load_checkpoint, state=False))
    pipeline = recorded_pipeline(checkpoint, of_run=folder != Path(path))
    with fitting_together(folder):
        fields = {name: read_spec(value, folder) for name, value in checkpoint.metadata["fields"].items()}
        game = build(pipeline, fields)
        load_networks(game, checkpoint)
        _load_operations(game, folder)
        for name in game.networks:
            if f"ema/{name}" in checkpoint.weights:
                fit(game, name, checkpoint.weights[f"ema/{name}"], folder)
    return Opened(
        pipeline=pipeline,
        game=game,
        step=checkpoint.step,
        checkpoint=folder,
        run_folder=folder_of_run(folder) or folder.parent,
        manifest=checkpoint.metadata,
    )


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest of a run.

    Raises:
        UsageError: There is none.
        ModelFileError: It is a file, or none of the run's checkpoints is intact.
    """
    if path.name in {"", ".."}:  # what is meant by `.` has a name and a place, which its checkpoint is known by
        path = path.resolve()
    if any((path / name).is_file() for name in (WEIGHTS, STATE, STATE_JSON)):  # also one that has lost some of them
        return path
    if path.is_file():
        refuse_pickled(path)
    found = latest_checkpoint(path / CHECKPOINTS, warn=log.warning) if (path / CHECKPOINTS).is_dir() else None
    if found is not None:
        return found
    if (path / PIPELINE).is_file():
        what = f"the run '{shown(path)}' has no checkpoint yet"
        raise UsageError(what, fix="let it train up to its first one (training.checkpoint_every)")
    raise UsageError(
        f"'{shown(path)}' is neither a run nor a checkpoint.{_runs_near(path)}",
        fix="give a run's folder, such as runs/demo, or a folder below its checkpoints/",
    )


def _runs_near(path: Path) -> str:
    """A sentence with the runs in a folder that is none, or else with those beside it."""
    if path.name == CHECKPOINTS and (path.parent / PIPELINE).is_file():
        return f" The run is '{shown(path.parent)}'."
    for where, folder in (("in", path), ("beside", path.parent)):
        runs: list[str] = []
        with suppress(OSError):  # no folder, or one that may not be looked into
            runs = sorted(shown(Path(each.name)) for each in folder.iterdir() if _is_run(each))
        if runs:
            more = f" and {len(runs) - _LISTED} more" if len(runs) > _LISTED else ""
            return f" Runs {where} it: {', '.join(runs[:_LISTED])}{more}."
    return ""


def _is_run(folder: Path) -> bool:
    try:
        return (folder / PIPELINE).is_file() and (folder / CHECKPOINTS).is_dir()
    except OSError:  # it may not be looked into
        return False


def folder_of_run(checkpoint: Path) -> Path | None:
    """The folder of the run that a checkpoint is of; None where the checkpoint stands alone."""
    return checkpoint.parent.parent if checkpoint.parent.name == CHECKPOINTS else None


@contextmanager
def fitting_together(folder: Path) -> Iterator[None]:
    """Say of what a checkpoint holds that it does not fit together, where somebody made it so that it does not.

    Raises:
        ModelFileError: It does not.
    """
    try:
        yield
    except (PipelineError, ComponentError) as exc:
        first = exc.problems[0] if isinstance(exc, PipelineError) else exc.what
        what = f"what the checkpoint holds does not fit together: {first}"
        raise ModelFileError(what, where=str(folder), fix=_OTHER_CHECKPOINT) from exc
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as exc:
        lines = (str(exc).strip() or "no more is known").splitlines()
        what = f"what the checkpoint holds does not fit together ({type(exc).__name__}: {lines[0][:200]})"
        raise ModelFileError(what, where=str(folder), fix=_OTHER_CHECKPOINT) from exc


def read_or_name_another(folder: Path, read: Callable[[Path], T]) -> T:
    """What a function reads of a checkpoint.

    Raises:
        ModelFileError: It is damaged; names an intact one beside it.
    """
    try:
        return read(folder)
    except ModelFileError as exc:
        intact = _intact_beside(folder)
        if intact is None:
            raise
        fix = f"step {int(intact.name)} is complete: give {intact}"
        raise ModelFileError(exc.what, where=exc.where, fix=fix) from exc


def _intact_beside(folder: Path) -> Path | None:
    """The newest intact checkpoint beside a damaged one."""
    if folder_of_run(folder) is None:
        return None
    try:
        found = latest_checkpoint(folder.parent)
    except (ModelFileError, MachineError):
        return None
    return None if found == folder else found  # damaged before it was saved, or forged


def recorded_pipeline(checkpoint: Checkpoint, *, of_run: bool = False) -> Pipeline:
    """The pipeline that a checkpoint carries.

    Args:
        checkpoint: Of a run, or alone.
        of_run: Whether it is used as its run's folder says now, and not as when it was saved.

    Raises:
        PluginError: It cannot be read with the plugins that are installed; names those it was made with.
        ModelFileError: The checkpoint carries none.
    """
    document, run = checkpoint.metadata.get("pipeline"), run_description(checkpoint)
    if not isinstance(document, Mapping) or not isinstance(checkpoint.metadata.get("fields"), Mapping):
        raise ModelFileError(
            "the checkpoint carries no pipeline", where=str(checkpoint.path / STATE_JSON), fix=_OTHER_CHECKPOINT
        )
    local = _local_pipeline(checkpoint.path)
    document = without_missing(with_paths(document, local), sections=_NOT_OPENED)
    if of_run and local is not None:
        document = {key: value for key, value in document.items() if key not in USED_WITH}
        document |= {key: local[key] for key in USED_WITH if key in local}
    try:
        name = str(checkpoint.metadata.get("name", "pipeline"))
        return replace(load_pipeline(document, complete=False), name=name)
    except PipelineError as exc:
        made_with = run.get("components")
        missing = missing_plugin(
            exc, made_with if isinstance(made_with, list) else (), str(checkpoint.path), default_manager().catalogue
        )
        if missing is not None:
            missing.fix = f"{missing.fix} (what else it holds: translate inspect {checkpoint.path})"
            raise missing from exc
        unknown = [p for p in exc.problems if "Available:" in p.message or "is not a" in p.message]
        if unknown:
            raise PluginError(
                f"a component of this checkpoint is not installed: {unknown[0].message}",
                where=str(checkpoint.path),
                fix="install the plugin that supplies it",
            ) from exc
        if of_run and all(problem.path.partition(".")[0] in USED_WITH for problem in exc.problems):
            raise ModelFileError(
                f"what the run's folder says does not fit the run: {exc.problems[0].path}: {exc.problems[0].message}",
                where=str(checkpoint.path.parent.parent / PIPELINE),
                fix="mend it there, or run the command that trained it again, which writes it anew",
            ) from exc
        raise ModelFileError(
            f"the checkpoint's pipeline does not fit this version: {exc.problems[0]}",
            where=str(checkpoint.path),
            fix=f"it was made with translate-images {run.get('translate', 'unknown')}",
        ) from exc


def run_description(checkpoint: Checkpoint | Contents) -> Mapping[str, Any]:
    """What a checkpoint says of the run that it is of; empty where it says nothing.

    Raises:
        ModelFileError: What stands there is no description.
    """
    found = checkpoint.metadata.get("run") or {}
    if not isinstance(found, Mapping) or not isinstance(found.get("versions") or {}, Mapping):
        where = str(checkpoint.path / STATE_JSON)
        raise ModelFileError("the description of the run is none", where=where, fix=_OTHER_CHECKPOINT)
    return found


def _local_pipeline(checkpoint: Path) -> Any:
    """What the run of a checkpoint says of places on this machine; nothing where the checkpoint stands alone."""
    run = folder_of_run(checkpoint)
    try:
        return None if run is None else read_document(run / PIPELINE).data
    except PipelineError:
        return None


def read_spec(value: Mapping[str, Any], where: Path) -> Spec:
    """A spec from plain data, as `Spec.as_dict` gives it.

    Raises:
        ModelFileError: It is not one.
    """
    content = dict(value)
    kind = SPECS.get(str(content.pop("kind", "")))
    try:
        if kind is None:
            msg = "unknown kind"
            raise TypeError(msg)  # noqa: TRY301  # one message for both ways to be wrong
        return kind(**{key: tuple(item) if isinstance(item, list) else item for key, item in content.items()})
    except TypeError as exc:
        what = f"a field's description cannot be read ({exc}): {value}"
        raise ModelFileError(what, where=str(where), fix=_OTHER_CHECKPOINT) from exc


def load_networks(game: Game, checkpoint: Checkpoint) -> None:
    """Load the weights of all networks.

    Raises:
        ModelFileError: They do not fit; names the first differences.
    """
    for name in game.networks:
        if name not in checkpoint.weights:
            raise ModelFileError(
                f"the checkpoint holds no network '{name}'", where=str(checkpoint.path), fix=_OTHER_PIPELINE
            )
        fit(game, name, checkpoint.weights[name], checkpoint.path)


def _load_operations(game: Game, folder: Path) -> None:
    """Load what operations gathered that are part of the model; process 0's, as its weights are those that are saved.

    Raises:
        ModelFileError: The checkpoint holds nothing of one of them.
    """
    nodes = [node for node in game.graphs[-1].nodes if node.is_part_of_model]
    if not nodes:
        return
    state: Any = load_checkpoint(folder).state
    saved = state["ranks"][0]["sites"]
    for node in nodes:
        if node.key not in saved:
            what = f"the checkpoint holds nothing that `{node.text}` gathered"
            raise ModelFileError(what, where=str(folder), fix=_OTHER_PIPELINE)
        load_gathered(game, node, saved[node.key])


def load_gathered(game: Game, node: Node, state: Mapping[str, Any]) -> None:
    """Load what an operation gathered.

    Raises:
        PluginError: It refuses that with an error of its own.
    """
    operation: Any = game.operation(node)
    entries = [node.operation[0]] if node.operation else []
    with _blaming(f"loading what `{node.text}` gathered", node.path, entries):
        operation.load_state_dict(dict(state))


def fit(game: Game, name: str, weights: Mapping[str, Any], where: Path) -> None:
    """Load one network's weights, and what else its state dict holds.

    Raises:
        ModelFileError: Names or shapes differ; shows the first three.
        PluginError: It refuses its state with an error of its own.
    """
    network, use = game.networks[name], game.pipeline.networks[name]
    mine = {key: _form(key, value) for key, value in network.state_dict().items()}
    theirs = {key: _form(key, value) for key, value in weights.items()}
    differing = [key for key in sorted(mine.keys() | theirs.keys()) if mine.get(key) != theirs.get(key)]
    if differing:
        shown = "; ".join(f"{key}: {theirs.get(key, 'absent')} for {mine.get(key, 'absent')}" for key in differing[:3])
        raise ModelFileError(
            f"the weights of network '{name}' do not fit ({len(differing)} differ): {shown}",
            where=str(where),
            fix=_OTHER_PIPELINE,
        )
    entries = [each.entry for each in (use, use.weights) if each is not None]
    with _blaming(f"loading the state of network '{name}'", use.path, entries):
        network.load_state_dict(dict(weights))


def _form(key: str, value: Any) -> tuple[int, ...] | str:
    """What must be equal of a saved value and the one that it replaces: a shape, but not that of an extra state."""
    is_weight = isinstance(value, Tensor) and key.rpartition(".")[2] != "_extra_state"
    return tuple(value.shape) if is_weight else "present"


@contextmanager
def _blaming(what: str, path: Path_, entries: Sequence[Entry]) -> Iterator[None]:
    """Say of what goes wrong in a component's own code, such as its `set_extra_state`, whose it is.

    Raises:
        PluginError: Something did.
    """
    try:
        yield
    except TranslateError:
        raise
    except ANYTHING as exc:
        if all(name.partition(".")[0] in {"torch", "translate"} for name in modules_of(exc)):
            raise
        raise component_failed(what, path, entries, exc) from exc
