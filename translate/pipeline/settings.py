"""The typed content of a pipeline: what `load_pipeline` returns and everything else reads.

The closed sections (training, inference, ...) are pydantic models; sections that name components hold `Use` records,
already looked up in the catalogue and with their choices checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from translate.components import Entry
from translate.errors import Position, Problem
from translate.pipeline.document import Document
from translate.pipeline.expressions import Expression

Path_ = tuple[str | int, ...]
Side = Literal["discriminators", "generators"]
SIDES: tuple[Side, Side] = ("discriminators", "generators")
SIDE_OF_KIND: Mapping[str, Side] = {"generator": "generators", "discriminator": "discriminators"}

TERM_KEYS = frozenset({"weight", "side"})
"""Keys of a loss's section that belong to the game."""
NETWORK_KEYS = frozenset({"weights"})
"""Likewise of a network's section."""

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]

_DURATION: Final = r"(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"


def _seconds(value: Any) -> Any:
    """Seconds from such as `11h50m`; anything that is no text stays for pydantic to judge."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(_DURATION, value)
    if found is None:
        msg = "must be seconds, or such as 1d2h30m, 11h50m, 45m, 90s"
        raise ValueError(msg)
    return float(sum(int(part or 0) * unit for part, unit in zip(found.groups(), (86400, 3600, 60, 1), strict=True)))


Duration = Annotated[
    float,
    Field(gt=0.0),
    BeforeValidator(_seconds),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string", "pattern": f"^{_DURATION}$"}]}
    ),
]
"""Seconds; a pipeline may also have such as `11h50m`."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """A component as a pipeline uses it.

    Attributes:
        entry: The catalogue entry.
        path: Keys that lead to it in the pipeline.
        choices: Checked values of the user's choices, defaults filled in.
        written: Its name as the pipeline has it: bare, or `plugin/name`.
        specs: Expressions whose specs the factory receives (`makes: target`): one, or several by name.
        expressions: Expressions by parameter name (losses and metrics).
        weights: How the weights of a network are parametrised, such as by spectral norm.
    """

    entry: Entry
    path: Path_
    choices: Mapping[str, Any]
    written: str = ""
    specs: Mapping[str, Expression | Mapping[str, Expression]] = field(default_factory=dict)
    expressions: Mapping[str, Expression] = field(default_factory=dict)
    weights: Use | None = None

    @property
    def name(self) -> str:
        """The component's name."""
        return self.entry.name

    def create(self, *provided: Any, **more: Any) -> Any:
        """Call the factory with the checked choices."""
        return self.entry.factory(*provided, **self.choices, **more)


Schedulable = float | Use
"""A number, or a schedule that gives one for every step."""


class Section(BaseModel):
    """Base of the closed sections: unknown keys are problems, and numbers are not read out of strings."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataKeys(Section):
    """Keys of `data` that the core reads; all others are parameters of the dataset.

    Attributes:
        image_size: Height and width the pipeline works at: one number, or [height, width]. Null = as the data is.
        transforms: Augmentation for training: albumentations by name, jointly for aligned fields.
        interpolation: How a field is resized, by field: area, bicubic, bilinear or nearest.
        value_range: Smallest and largest value of image fields.
        workers: Loader processes; auto = as many as spare processors, at most 4.
        worker_timeout: Seconds without a batch after which loader processes are taken to hang (exit code 6).
        on_bad_image: What training does where an example cannot be read: stop (exit code 3), or skip = another one
            takes its place, the file is listed in the run's bad_images.json, and more than 1 % stop it all the same.
    """

    image_size: Positive | Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = None
    transforms: list[Any] = []
    interpolation: dict[str, Literal["area", "bicubic", "bilinear", "nearest"]] = {}
    value_range: Annotated[list[float], Field(min_length=2, max_length=2)] = [-1.0, 1.0]
    workers: Count | Literal["auto"] = "auto"
    worker_timeout: Annotated[float, Field(gt=0.0)] = 120.0
    on_bad_image: Literal["stop", "skip"] = "stop"

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width), or None."""
        if self.image_size is None or isinstance(self.image_size, list):
            return None if self.image_size is None else (self.image_size[0], self.image_size[1])
        return (self.image_size, self.image_size)


class EmaKeys(Section):
    """Exponential moving average of the generators' weights.

    Attributes:
        decay: Share of the old average kept at each step.
        start: First step that is averaged; until then the average follows the weights.
    """

    decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    start: Count = 0


class TrainingKeys(Section):
    """How long, how large, how precise; see `OptimizerSettings` for the optimisers.

    Attributes:
        steps: Iterations; each runs all turns.
        batch_size: Examples of one optimisation step, over all processes and accumulated parts together. A phase may
            have another.
        accumulate: Parts that a batch is cut into, one after the other, to save memory.
        seed: Seed of weights, data order, augmentation, latents and dropout.
        device: auto, cpu, cuda or mps.
        devices: Processes on this machine, one per device.
        nodes: Machines.
        precision: fp32, bf16 or fp16 (with loss scaling); weights and losses stay in float32.
        deterministic: Refuse operations that have no deterministic form on the device.
        ema: Moving average of the generators, used for previews, evaluation and export. Null = none.
        log_every: Steps between logged values.
        preview_every: Steps between sample grids, besides one before the first step and one after the last; 0 = none.
        preview_count: Examples in a sample grid.
        checkpoint_every: Steps between checkpoints.
        keep_checkpoints: Newest checkpoints that are kept.
        on_full_disk: What is done where a checkpoint does not fit on the disk: stop (exit code 6), or prune = all but
            the newest are removed, and it is tried once more.
        stop_after: Time after which the training saves and ends with exit code 75, for schedulers with a limit:
            seconds, or such as 11h50m. It counts from the start of the command. Null = never.
        patience: Non-finite steps in a row after which training stops with exit code 7.
        optimizers: Per side (`generators`, `discriminators`) or per turn name.
        reset_optimizers: Whether a new phase begins with new optimisers (moments at 0), also where their settings and
            networks stay; without, those go on. A phase may say it for itself and those after it.
        observers: What watches the run. Null = terminal, metrics file, samples, health, TensorBoard where installed.
    """

    steps: Positive = 10_000
    batch_size: Positive = 1
    accumulate: Positive = 1
    seed: Count = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: Positive = 1
    nodes: Positive = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    deterministic: bool = False
    ema: EmaKeys | None = None
    log_every: Positive = 50
    preview_every: Count = 500
    preview_count: Positive = 4
    checkpoint_every: Positive = 500
    keep_checkpoints: Positive = 3
    on_full_disk: Literal["stop", "prune"] = "stop"
    stop_after: Duration | None = None
    patience: Positive = 3
    optimizers: dict[str, Any] = {}
    reset_optimizers: bool = False
    observers: list[Any] | None = None

    @property
    def parts(self) -> int:
        """Parts that a batch is cut into, over all processes."""
        return self.accumulate * self.devices * self.nodes


class InferenceKeys(Section):
    """How networks behave outside training; saved, previewed, evaluated and exported exactly so.

    Attributes:
        batch_norm: running = the statistics gathered in training; image = those of each image by itself.
        dropout: off, or on with a mask that depends on `seed` alone.
        seed: Seed of the dropout masks.
    """

    batch_norm: Literal["running", "image"] = "running"
    dropout: Literal["on", "off"] = "off"
    seed: Count = 0


class ExportKeys(Section):
    """One exported file.

    Attributes:
        inputs: Data fields and latents that become inputs of the file.
        output: The expression that becomes its output.
    """

    inputs: Annotated[list[str], Field(min_length=1)]
    output: str


class BaselineKeys(Section):
    """Nearest-neighbour retrieval as the baseline to beat.

    Attributes:
        by: Field in which the nearest training example is searched.
        give: Field of that example that is returned.
        instead_of: Flow entry that it stands in for when the metrics are computed.
    """

    by: str
    give: str
    instead_of: str


class EvaluationKeys(Section):
    """Measurement on held-out data.

    Attributes:
        split: val or test.
        metrics: Metric components by name.
        baseline: Retrieval baseline, or null.
        count: Examples at most; null = all.
    """

    split: Literal["train", "val", "test"] = "test"
    metrics: dict[str, Any] = {}
    baseline: BaselineKeys | None = None
    count: Positive | None = None


@dataclass(frozen=True, kw_only=True)
class Term:
    """One entry under `losses`.

    Attributes:
        name: Name in the pipeline.
        use: The loss.
        weight: Factor, or a schedule of it.
        side: The only side in whose turns it counts; None = wherever it has a function and depends on what learns.
    """

    name: str
    use: Use
    weight: Schedulable
    side: Side | None = None


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One optimisation step of one side.

    Attributes:
        name: Name in the pipeline.
        learn: Networks that learn.
        losses: Names of the terms that may count; None = every term that depends on a learning network.
        side: Which function of a two-sided loss is used.
        steps: How often in an iteration; each repetition begins a new draw.
        skip_below: The optimiser does not step while the turn's weighted sum of losses lies below this number; or,
            by the names of losses, while each of these, unweighted, lies below its number.
        most_skips: Most steps in a row that are left out so; the next is taken, whatever the losses. None = no limit.
        fresh: Whether it draws the latents anew, where the turn before has used this draw's.
    """

    name: str
    learn: tuple[str, ...]
    losses: tuple[str, ...] | None
    side: Side
    steps: Schedulable
    skip_below: float | Mapping[str, float] | None = None
    most_skips: int | None = None
    fresh: bool = False


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """One optimiser.

    Attributes:
        name: Name of the torch optimiser, lower case.
        lr: Learning rate, or a schedule of it.
        parameters: All keys for the optimiser other than these.
        clip_norm: Largest norm of a turn's whole gradient.
        clip_value: Largest absolute value of a gradient's element.
        clip_weights: After each step every weight is clamped to [-clip_weights, clip_weights] (WGAN).
    """

    name: str
    lr: Schedulable
    parameters: Mapping[str, Any]
    clip_norm: float | None = None
    clip_value: float | None = None
    clip_weights: float | None = None


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What may change in the course of a training; the first phase starts at step 0.

    Attributes:
        start: First step.
        flow: Named expressions.
        losses: Terms by name.
        turns: By name, in order.
        optimizers: By the turn's name.
        batch_size: See `TrainingKeys`.
        reset_optimizers: Likewise.
    """

    start: int
    flow: Mapping[str, Expression]
    losses: Mapping[str, Term]
    turns: Mapping[str, Turn]
    optimizers: Mapping[str, OptimizerSettings]
    batch_size: int
    reset_optimizers: bool = False


@dataclass(frozen=True, kw_only=True)
class Export:
    """One file to export."""

    inputs: tuple[str, ...]
    output: Expression


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline: read, merged, with all names and parameters checked (shapes: see `translate.pipeline.checking`).

    Attributes:
        name: Bare name of a shipped pipeline, or the file's stem.
        file: Where it was read from, if from a file.
        document: The merged document, which knows where everything stands.
        resolved: The whole pipeline as plain data, every default filled in.
        networks: Generators and discriminators by name.
        phases: At least one.
    """

    name: str
    file: Path | None
    document: Document
    description: str
    resolved: Mapping[str, Any]
    dataset: Use
    data: DataKeys
    latents: Mapping[str, Use]
    schedules: Mapping[str, Use]
    networks: Mapping[str, Use]
    phases: tuple[Phase, ...]
    training: TrainingKeys
    observers: tuple[Use, ...]
    preview: tuple[Expression, ...]
    exports: Mapping[str, Export]
    inference: InferenceKeys
    evaluation: EvaluationKeys
    metrics: Mapping[str, Use]

    def side(self, network: str) -> Side:
        """The side on which a network learns."""
        return SIDE_OF_KIND[self.networks[network].entry.kind]

    def problem(
        self, path: Path_, message: str, *, column: int = 0, phase: int = 0, of: Literal["key", "value"] = "value"
    ) -> Problem:
        """A problem at a path of this pipeline.

        Args:
            path: As in the first phase, such as `("losses", "cycle", "of")`.
            message: What is wrong.
            column: Counted within the value, from 0.
            phase: The phase in which it is wrong; if that phase (or one before) wrote the value, it is shown there.
            of: Whether the key is wrong or its value.
        """
        return problem_at(self.document, path, message, column=column, phase=phase, of=of)

    def examples_at_once(self, phase: int) -> int:
        """Examples that one process sees in one part of a batch, in a phase."""
        return max(1, self.phases[phase].batch_size // self.training.parts)

    def phase_at(self, step: int) -> int:
        """Index of the phase that a step belongs to."""
        return max(index for index, phase in enumerate(self.phases) if phase.start <= step)


def problem_at(
    document: Document,
    path: Path_,
    message: str,
    *,
    column: int = 0,
    phase: int = 0,
    of: Literal["key", "value"] = "value",
) -> Problem:
    """A problem at a path of a document; see `Pipeline.problem`."""
    path = _written_path(document, path, phase)
    position = document.position(path, of=of)
    if column and position.line:
        position = Position(position.file, position.line, position.column + column)
    return Problem(position, ".".join(map(str, path)), message)


def _written_path(document: Document, path: Path_, phase: int) -> Path_:
    """Where a path of a phase was written: below the last of the phases that has it, else at the top level."""

    def depth(below: Path_) -> int:
        return next((n for n in range(len(path), 0, -1) if (*below, *path[:n]) in document.positions), 0)

    places: list[Path_] = [*(("phases", index) for index in reversed(range(phase))), ()]
    best = max(places, key=depth)  # of equals the first, which is the latest phase
    return (*best, *path) if depth(best) else path
