"""Opening what a training left: a run's folder or one of its checkpoints."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from translate.errors import ComponentError, MachineError, ModelFileError, PipelineError, PluginError, UsageError
from translate.foreign import refuse_pickled
from translate.pipeline.building import Game, build
from translate.pipeline.document import read_document
from translate.pipeline.loading import load_pipeline
from translate.pipeline.missing import missing_plugin
from translate.pipeline.private import with_paths, without_missing
from translate.pipeline.settings import Pipeline
from translate.plugin_manager import default_manager
from translate.specs import Image, Label, Scalar, Spec, Vector
from translate.specs import Tensor as TensorSpec
from translate.training.checkpoint import Checkpoint, latest_checkpoint, load_checkpoint
from translate.training.run import CHECKPOINTS, PIPELINE

log = logging.getLogger(__name__)

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
    """Open a run (its newest checkpoint) or a checkpoint. Nothing but the checkpoint is read, not the data.

    Raises:
        UsageError: There is nothing at this path.
        ModelFileError: The checkpoint is damaged, or does not fit its own pipeline.
        PluginError: A component that it needs is not installed; names what supplied it.
    """
    folder = find_checkpoint(Path(path))
    checkpoint = _loaded(folder)
    pipeline = recorded_pipeline(checkpoint)
    with fitting_together(folder):
        fields = {name: read_spec(value, folder) for name, value in checkpoint.metadata["fields"].items()}
        game = build(pipeline, fields)
        load_networks(game, checkpoint)
        _load_operations(game, folder)
        for name, network in game.networks.items():
            if f"ema/{name}" in checkpoint.weights:
                fit(network, name, checkpoint.weights[f"ema/{name}"], folder)
    run_folder = folder.parent.parent if folder.parent.name == CHECKPOINTS else folder.parent
    return Opened(
        pipeline=pipeline,
        game=game,
        step=checkpoint.step,
        checkpoint=folder,
        run_folder=run_folder,
        manifest=checkpoint.metadata,
    )


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest of a run.

    Raises:
        UsageError: There is none.
        ModelFileError: It is a file, or none of the run's checkpoints is intact.
    """
    if (path / "manifest.json").is_file() and (path / "weights.safetensors").is_file():
        return path
    if path.is_file():
        refuse_pickled(path)
    found = latest_checkpoint(path / CHECKPOINTS, warn=log.warning) if (path / CHECKPOINTS).is_dir() else None
    if found is not None:
        return found
    runs = sorted(p.name for p in path.parent.iterdir() if (p / CHECKPOINTS).is_dir()) if path.parent.is_dir() else []
    listing = f" Runs beside it: {', '.join(runs[:8])}." if runs else ""
    raise UsageError(
        f"'{path}' is neither a run nor a checkpoint.{listing}",
        fix="give a run's folder, such as runs/pix2pix, or a folder below its checkpoints/",
    )


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
        raise ModelFileError(f"what the checkpoint holds does not fit together: {first}", where=str(folder)) from exc
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as exc:
        lines = (str(exc).strip() or "no more is known").splitlines()
        what = f"what the checkpoint holds does not fit together ({type(exc).__name__}: {lines[0][:200]})"
        raise ModelFileError(what, where=str(folder)) from exc


def _loaded(folder: Path) -> Checkpoint:
    try:
        return load_checkpoint(folder, state=False)
    except ModelFileError as exc:
        intact = _intact_beside(folder)
        if intact is None:
            raise
        fix = f"step {int(intact.name)} is complete: give {intact}"
        raise ModelFileError(exc.what, where=exc.where, fix=fix) from exc


def _intact_beside(folder: Path) -> Path | None:
    """The newest intact checkpoint beside a damaged one."""
    if folder.parent.name != CHECKPOINTS:
        return None
    try:
        found = latest_checkpoint(folder.parent)
    except (ModelFileError, MachineError):
        return None
    return None if found == folder else found  # damaged before it was saved, or forged


def recorded_pipeline(checkpoint: Checkpoint) -> Pipeline:
    """The pipeline that a checkpoint carries.

    Raises:
        PluginError: It cannot be read with the plugins that are installed; names those it was made with.
        ModelFileError: The checkpoint carries none.
    """
    document = checkpoint.metadata.get("pipeline")
    if not isinstance(document, Mapping) or not isinstance(checkpoint.metadata.get("fields"), Mapping):
        raise ModelFileError("the checkpoint carries no pipeline", where=str(checkpoint.path / "state.json"))
    document = without_missing(with_paths(document, _local_pipeline(checkpoint.path)), sections=_NOT_OPENED)
    try:
        name = str(checkpoint.metadata.get("name", "pipeline"))
        return replace(load_pipeline(document, complete=False), name=name)
    except PipelineError as exc:
        run = checkpoint.metadata.get("run")
        made_with = run.get("components") if isinstance(run, Mapping) else None
        missing = missing_plugin(
            exc, made_with if isinstance(made_with, list) else (), str(checkpoint.path), default_manager().catalogue
        )
        if missing is not None:
            raise missing from exc
        unknown = [p for p in exc.problems if "Available:" in p.message or "is not a" in p.message]
        if unknown:
            raise PluginError(
                f"a component of this checkpoint is not installed: {unknown[0].message}",
                where=str(checkpoint.path),
                fix="install the plugin that supplies it",
            ) from exc
        raise ModelFileError(
            f"the checkpoint's pipeline does not fit this version: {exc.problems[0]}",
            where=str(checkpoint.path),
            fix=f"it was made with translate-images {checkpoint.metadata.get('run', {}).get('translate', 'unknown')}",
        ) from exc


def _local_pipeline(checkpoint: Path) -> Any:
    """What the run of a checkpoint says of places on this machine; nothing where the checkpoint stands alone."""
    if checkpoint.parent.name != CHECKPOINTS:
        return None
    try:
        return read_document(checkpoint.parent.parent / PIPELINE).data
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
        raise ModelFileError(f"a field's description cannot be read ({exc}): {value}", where=str(where)) from exc


def load_networks(game: Game, checkpoint: Checkpoint) -> None:
    """Load the weights of all networks.

    Raises:
        ModelFileError: They do not fit; names the first differences.
    """
    for name, network in game.networks.items():
        if name not in checkpoint.weights:
            raise ModelFileError(f"the checkpoint holds no network '{name}'", where=str(checkpoint.path))
        fit(network, name, checkpoint.weights[name], checkpoint.path)


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
            raise ModelFileError(f"the checkpoint holds nothing that `{node.text}` gathered", where=str(folder))
        operation: Any = game.operation(node)
        operation.load_state_dict(saved[node.key])


def fit(network: Any, name: str, weights: Mapping[str, Tensor], where: Path) -> None:
    """Load one network's weights.

    Raises:
        ModelFileError: Names or shapes differ; shows the first three.
    """
    mine = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in weights.items()}
    differing = [key for key in sorted(mine.keys() | theirs.keys()) if mine.get(key) != theirs.get(key)]
    if differing:
        shown = "; ".join(f"{key}: {theirs.get(key, 'absent')} for {mine.get(key, 'absent')}" for key in differing[:3])
        raise ModelFileError(
            f"the weights of network '{name}' do not fit ({len(differing)} differ): {shown}",
            where=str(where),
            fix="use the pipeline with which they were trained",
        )
    network.load_state_dict(dict(weights))
