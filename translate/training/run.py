"""A run's folder: what is written there at the start, and what may change when a run goes on."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from translate import __version__
from translate.components import Catalogue, Entry
from translate.data.request import Dataset
from translate.errors import ModelFileError, PipelineError, PluginError, UsageError
from translate.notices import Notice
from translate.pipeline.document import read_document
from translate.pipeline.dumping import dump
from translate.pipeline.game import Game
from translate.pipeline.loading import load_pipeline
from translate.pipeline.settings import Pipeline, Use
from translate.training import files
from translate.training.checkpoint import find_checkpoints
from translate.training.lock import LOCK

PIPELINE: Final = "pipeline.yaml"
MANIFEST: Final = "manifest.json"
CHECKPOINTS: Final = "checkpoints"
BAD_IMAGES: Final = "bad_images.json"

FREE: Final = (
    "description", "data.root", "data.workers", "data.cache_mb", "data.on_bad_image", "data.worker_timeout", "preview",
    "inference", "export", "evaluation", "training.steps", "training.device", "training.devices", "training.nodes",
    "training.log_every", "training.preview_every", "training.preview_count", "training.checkpoint_every",
    "training.keep_checkpoints", "training.patience", "training.observers",
    "training.on_full_disk", "training.stop_after",
)  # fmt: skip
"""Keys that may differ when a run goes on: none of them changes what is learnt from a batch."""

USED_WITH: Final = ("inference", "export", "evaluation")
"""Sections that say how checkpoints are used: what a run's folder says of them now holds for all that it holds."""


_LEFT: Final = re.compile(rf"\.|{re.escape(LOCK)}\Z|report-.*\.txt\Z")  # of a start that was killed, or that failed


@dataclass
class Run:
    """One training, as observers see it.

    Attributes:
        folder: The run's folder.
        pipeline: What is trained.
        game: The networks.
        steps: Iterations of the whole run.
        start_step: Iterations that were done when this process began.
        is_main: Whether this process writes files.
        hook: The event hooks of the run's observers and of all plugins.
    """

    folder: Path
    pipeline: Pipeline
    game: Game
    steps: int
    start_step: int
    is_main: bool = True
    hook: Any = None

    def tell(self, step: int, notice: Notice) -> None:
        """Let all observers hear what one of them has to say."""
        self.hook.translate_noticed(run=self, step=step, notice=notice)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name


def prepare_folder(folder: Path, pipeline: Pipeline, catalogue: Catalogue | None = None) -> None:
    """Create a run's folder, or make sure that it is a run of this very pipeline.

    Args:
        folder: The run's folder.
        pipeline: What is to be trained in it.
        catalogue: Where components are looked up; by default all installed plugins.

    Raises:
        UsageError: Something else is there, or the pipeline differs in more than the free keys.
        MachineError: The folder cannot be written.
    """
    recorded = folder / PIPELINE
    with files.disk_errors(folder):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            what = "a link" if folder.is_symlink() else "not a folder"
            raise UsageError(
                f"'{folder}' is {what}", fix="choose another folder with --out (a link's target by its own name)"
            )
        if folder.is_dir() and not recorded.is_file() and not all(_LEFT.match(p.name) for p in folder.iterdir()):
            raise UsageError(
                f"'{folder}' holds other files and no run", fix="choose another folder with --out, or empty this one"
            )
        folder.mkdir(parents=True, exist_ok=True)
    if recorded.is_file() and find_checkpoints(folder / CHECKPOINTS):
        _compare(recorded, pipeline, catalogue)


def _compare(recorded: Path, pipeline: Pipeline, catalogue: Catalogue | None) -> None:
    before = dict(_flat(_recorded_settings(recorded, catalogue)))
    after = dict(_flat(pipeline.resolved))
    changed = [
        f"{key}: {_shown(before.get(key))} -> {_shown(after.get(key))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and not any(key == free or key.startswith(f"{free}.") for free in FREE)
    ]
    if changed:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise UsageError(
            f"this run was started with other settings: {'; '.join(changed[:5])}{more}",
            where=str(recorded),
            fix="give the settings of the run (its steps may be raised), or start a new one with --out NEW; "
            f"with --fork {recorded.parent} it begins where this one stands",
        )


def _recorded_settings(file: Path, catalogue: Catalogue | None) -> Mapping[str, Any]:
    """A run's settings, with the defaults of those that its version did not know; else as they stand in the file."""
    try:
        document = read_document(file).data
    except PipelineError as exc:
        raise ModelFileError(
            f"the run's pipeline cannot be read: {exc}",
            where=str(file),
            fix="restore the file from a copy, or start a new run with --out NEW",
        ) from exc
    try:
        return load_pipeline(document, catalogue=catalogue, complete=False).resolved
    except (PipelineError, PluginError):  # a plugin is gone, or what was allowed is no more
        return document


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items: Iterator[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping):
        if path == "turns":  # the only mapping whose order means something
            yield path, ", ".join(map(str, value))
        items = iter(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = enumerate(value)
    if items is None:
        if value is not None:
            yield path, value
        return
    for key, item in items:
        yield from _flat(item, f"{path}.{key}" if path else str(key))


def write_pipeline(folder: Path, pipeline: Pipeline) -> None:
    """Write the resolved pipeline; the file can be trained, checked and shown like any other."""
    write_text(folder / PIPELINE, dump(dict(pipeline.resolved)))


def write_how_used(folder: Path, pipeline: Pipeline) -> None:
    """Take over, for a run that is finished, how its checkpoints are used; what it was trained with stays written.

    Raises:
        MachineError: It cannot be written.
    """
    before = read_document(folder / PIPELINE).data
    now = {key: value for key, value in before.items() if key not in USED_WITH}
    now |= {key: pipeline.resolved[key] for key in USED_WITH if key in pipeline.resolved}
    if dict(_flat(now)) != dict(_flat(before)):
        write_text(folder / PIPELINE, dump(now))


def write_text(path: Path, text: str) -> None:
    """Write a text file so that it is either the old or the new one.

    Raises:
        MachineError: The disk is full or rights are missing.
    """
    temporary, content = path.with_name(f".{path.name}.tmp"), text.encode()
    with files.disk_errors(path, needed=len(content)):
        try:
            temporary.unlink(missing_ok=True)  # of a process that was killed
            files.write_bytes(temporary, [content])
            files.fsync(temporary)
            files.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        files.fsync(path.parent)


def describe_run(pipeline: Pipeline, dataset: Dataset, operations: Iterable[Entry] = ()) -> dict[str, Any]:
    """What is needed to understand a run later: versions, plugins (also those of operations), seed, data, command."""
    entries = [*(use.entry for use in uses(pipeline)), *operations]
    return {
        "format": 1,
        "translate": __version__,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("torch", "torchvision", "numpy", "albumentations")},
        "components": sorted({f"{entry.kind} {entry.name}: {entry.provider}" for entry in entries}),
        "seed": pipeline.training.seed,
        "data": {"examples": len(dataset), "fingerprint": fingerprint(dataset)},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def uses(pipeline: Pipeline) -> Iterator[Use]:
    """Every component that a pipeline uses (operations are named in its expressions)."""
    yield pipeline.dataset
    for group in (pipeline.latents, pipeline.schedules, pipeline.networks, pipeline.metrics):
        yield from group.values()
    for phase in pipeline.phases:
        yield from (term.use for term in phase.losses.values())
        numbers = [
            *(term.weight for term in phase.losses.values()),
            *(turn.steps for turn in phase.turns.values()),
            *(settings.lr for settings in phase.optimizers.values()),
        ]
        yield from (number for number in numbers if isinstance(number, Use))
    yield from (use.weights for use in pipeline.networks.values() if use.weights is not None)
    yield from pipeline.observers


def fingerprint(dataset: Dataset, most: int = 100_000) -> str:
    """A hash of the examples' names in their order (of the first `most`), which the data order depends on."""
    digest = hashlib.sha256(str(len(dataset)).encode())
    for index in range(min(len(dataset), most)):
        digest.update(dataset.name(index).encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write `manifest.json`.

    Raises:
        MachineError: It cannot be written.
    """
    write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")
