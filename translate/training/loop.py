"""Training: from a pipeline to a run's folder."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from translate.data.stream import Stream
from translate.errors import NumbersError, PluginError, TranslateError
from translate.optimizers import build_optimizer
from translate.pipeline.building import Game, build
from translate.pipeline.checking import check
from translate.pipeline.compiling import scheduled
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.loading import load_pipeline
from translate.pipeline.opening import open_dataset, stream_settings
from translate.pipeline.settings import Pipeline
from translate.plugin_manager import PluginManager, default_manager
from translate.training.checkpoint import clean_checkpoints
from translate.training.ema import Ema
from translate.training.engine import Engine, translated_errors
from translate.training.lock import RunLock
from translate.training.preview import Preview
from translate.training.run import (
    CHECKPOINTS,
    Run,
    describe_run,
    prepare_folder,
    write_manifest,
    write_pipeline,
)
from translate.training.state import restore_random, resume, save
from translate.training.stopping import StopRequests
from translate.training.turns import LatentSource, TurnRunner

log = logging.getLogger(__name__)

FP16_PATIENCE = 32  # the loss scale finds its size by skipping steps; it starts at 65536 and halves


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        folder: The run's folder.
        step: Iterations done.
        checkpoint: The newest checkpoint.
        already_done: Nothing was left to do.
        is_main: Whether this is the process that writes; what follows a training is its work alone.
    """

    folder: Path
    step: int
    checkpoint: Path
    already_done: bool = False
    is_main: bool = True


def train(
    source: str | Path | Mapping[str, Any] | Pipeline,
    overrides: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    observers: Sequence[object] = (),
    manager: PluginManager | None = None,
    take_over: bool = False,
) -> TrainingResult:
    """Train a pipeline; the same call goes on where an earlier one stopped.

    Args:
        source: Name of a shipped pipeline, path of a YAML file, plain data, or a loaded pipeline.
        overrides: `a.b=value`, as on the command line (not for a loaded pipeline).
        out: The run's folder; by default `runs/NAME`.
        observers: Objects with event hooks, besides the pipeline's observers.
        manager: The plugins; by default all that are installed.
        take_over: Also take a folder whose lock a process on another host left.

    Raises:
        PipelineError: The pipeline is wrong; nothing was started.
        DataError: The data is missing or wrong.
        MachineError: Disk, memory or device.
        NumbersError: Losses or gradients stayed non-finite; the last good checkpoint is kept.
        Stopped: By SIGTERM or SIGUSR1; a checkpoint is saved.
        Interrupted: By Ctrl-C; a checkpoint is saved.
    """
    manager = manager or default_manager()
    with StopRequests() as stop:
        pipeline = (
            source if isinstance(source, Pipeline) else load_pipeline(source, overrides, catalogue=manager.catalogue)
        )
        keys = pipeline.training
        engine = Engine(
            device=keys.device,
            devices=keys.devices,
            nodes=keys.nodes,
            precision=keys.precision,
            deterministic=keys.deterministic,
        )
        folder = Path(out) if out is not None else Path("runs") / pipeline.name
        engine.launch()
        try:
            with _prepared(pipeline, folder, engine, take_over=take_over):
                trainer = Trainer(pipeline, folder, engine, manager, observers, stop)
                return trainer.run()
        finally:
            engine.close()


@contextmanager
def _prepared(pipeline: Pipeline, folder: Path, engine: Engine, *, take_over: bool) -> Iterator[None]:
    """The run's folder, created and locked by the main process while the others wait."""
    with ExitStack() as held:
        with engine.together():
            if engine.is_main:
                prepare_folder(folder, pipeline)
                held.enter_context(RunLock(folder, take_over=take_over))
                clean_checkpoints(folder / CHECKPOINTS)
        yield


class Trainer:
    """One training in one process.

    Args:
        pipeline: What to train.
        folder: The run's folder, prepared.
        engine: Launched.
        manager: For components and event hooks.
        observers: Besides those of the pipeline.
        stop: Requests to stop.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        folder: Path,
        engine: Engine,
        manager: PluginManager,
        observers: Sequence[object],
        stop: StopRequests,
    ) -> None:
        self.pipeline, self.folder, self.engine, self.stop = pipeline, folder, engine, stop
        self._manager, self._extra = manager, observers
        dataset = open_dataset(pipeline, "train")
        self.stream = Stream(
            dataset,
            stream_settings(pipeline),
            batch_size=pipeline.training.batch_size,
            rank=engine.rank,
            world_size=engine.world_size,
        )
        fields = self.stream.fields
        check(pipeline, fields, catalogue=manager.catalogue)
        self.game: Game = build(pipeline, fields, catalogue=manager.catalogue)
        self.game.device = engine.device
        engine.seed(pipeline.training.seed)
        for name, network in self.game.networks.items():
            self.game.networks[name] = engine.setup_module(network.train())
        ema = pipeline.training.ema
        generators = {n: m for n, m in self.game.networks.items() if pipeline.side(n) == "generators"}
        self.ema = Ema(generators, decay=ema.decay, start=ema.start) if ema else None
        self.latents = LatentSource(
            self.game,
            pipeline.training.seed,
            pipeline.training.batch_size,
            engine.device,
            engine.rank,
            engine.world_size,
        )
        self.draws = 0
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._optimizer_of: dict[str, tuple[Any, ...]] = {}
        self._batches: Iterator[dict[str, torch.Tensor]] | None = None
        self.description = describe_run(pipeline, dataset)
        self.runner: TurnRunner | None = None
        self.phase = -1

    # -- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> TrainingResult:
        """Train until the last step, or until something stops it."""
        steps = self.pipeline.training.steps
        checkpoint = resume(self)
        start = checkpoint.step if checkpoint else 0
        if checkpoint is not None and start >= steps:
            return TrainingResult(self.folder, start, checkpoint.path, already_done=True, is_main=self.engine.is_main)
        self._run = Run(self.folder, self.pipeline, self.game, steps, start, self.engine.is_main)
        self._preview: Preview | None = None
        with self.engine.together():
            self._begin()
        self._saved: Path | None = checkpoint.path if checkpoint else None
        reason, step = "failed", start
        try:
            with translated_errors(
                "training", "lower training.batch_size or data.image_size, or raise training.accumulate"
            ):
                if start == 0:
                    self._show_preview(0)
                if checkpoint is not None:
                    restore_random(self, checkpoint)
                for done in self._iterations(start, steps):
                    step = done
            reason = "done"
        except TranslateError as exc:
            reason = {75: "stopped", 130: "interrupted"}.get(exc.exit_code, "failed")
            raise
        finally:
            self._close_data()
            self._notify("translate_run_finished", step=step, reason=reason)
        assert self._saved is not None
        return TrainingResult(self.folder, steps, self._saved, is_main=self.engine.is_main)

    def _begin(self) -> None:
        """What is done once before the first iteration, most of it in the main process alone."""
        is_main = self.engine.is_main
        observers = [use.create() for use in self.pipeline.observers] if is_main else []
        self._hook = self._manager.subset_for_events([*observers, *self._extra])
        if is_main:
            write_pipeline(self.folder, self.pipeline)
            warning = write_manifest(self.folder, self.description)
            if warning:
                log.warning(warning)
            if self.pipeline.training.preview_every:
                self._preview = Preview(self.game, self.stream, self.engine.device)
        self._notify("translate_run_started")

    def _iterations(self, start: int, steps: int) -> Iterator[int]:
        """Run the iterations; yields the number of iterations done after each."""
        keys = self.pipeline.training
        each_step = bool(self._hook.translate_step_finished.get_hookimpls())
        self.stop.started = True
        clock, counted = time.perf_counter(), start
        for step in range(start, steps):
            self._begin_phase(step)
            assert self.runner is not None
            values = self.runner.iterate(step)
            self.draws = self.runner.draws
            done = step + 1
            if self.ema is not None:
                self.ema.update(done)
            if self.engine.device.type == "cpu" or done % keys.log_every == 0 or done == steps:
                self._check_numbers(done, values)
            if each_step:
                self._notify("translate_step_finished", step=done)
            if done % keys.log_every == 0 or done in {1, steps}:  # never by where it went on: see MetricsFile
                seconds = (time.perf_counter() - clock) / max(1, done - counted)
                clock, counted = time.perf_counter(), done
                self._log(done, values, seconds)
            if done == steps or (keys.preview_every and done % keys.preview_every == 0):
                self._show_preview(done)
            stopping = self.engine.any(self.stop.requested is not None)
            if stopping or done % keys.checkpoint_every == 0 or done == steps:
                self._save(done)
            yield done
            if stopping and done < steps:
                raise self.stop.error(done)

    def _save(self, step: int) -> None:
        self._saved = save(self, step)
        self._notify("translate_checkpoint_saved", step=step, folder=self._saved)

    def _begin_phase(self, step: int) -> None:
        index = self.pipeline.phase_at(step)
        if index == self.phase:
            return
        if self.runner is not None:
            self.runner.evaluator.release()
        phase = self.pipeline.phases[index]
        keys = self.pipeline.training
        evaluator = Evaluator(
            self.game,
            index,
            autocast=None if keys.precision == "fp32" else self.engine.autocast,
            keep_graphs=keys.accumulate == 1,
        )
        self.set_optimizers(index)
        self.phase = index
        self.runner = TurnRunner(
            evaluator,
            self.engine,
            {name: self.optimizers[name] for name in phase.turns},
            self._next_batch,
            self.latents,
            keys.accumulate,
            self.draws,
        )

    def set_optimizers(self, index: int) -> None:
        """An optimiser for each turn; those whose settings and networks are those of the phase before go on."""
        phase = self.pipeline.phases[index]
        kept: dict[str, torch.optim.Optimizer] = {}
        for name, turn in phase.turns.items():
            settings = replace(phase.optimizers[name], lr=0.0)
            identity = (turn.learn, settings.name, tuple(sorted(settings.parameters.items(), key=repr)).__repr__())
            if name in self.optimizers and self._optimizer_of[name] == identity:
                kept[name] = self.optimizers[name]
                continue
            lr = scheduled(self.game, phase.optimizers[name].lr)
            parameters = [parameter for network in turn.learn for parameter in self.game.trainable[network]]
            kept[name] = build_optimizer(
                {"name": settings.name, **settings.parameters},
                parameters,
                lr=float(lr(phase.start)) if callable(lr) else lr,
            )
            self._optimizer_of[name] = identity
        self.optimizers = kept

    def _next_batch(self) -> Mapping[str, torch.Tensor]:
        if self._batches is None:
            self._batches = self.stream.batches(self.draws * self.pipeline.training.batch_size)
        batch = next(self._batches)
        return {name: value.to(self.engine.device, non_blocking=True) for name, value in batch.items()}

    def _close_data(self) -> None:
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]
            self._batches = None

    # -- what is seen -----------------------------------------------------------------------------------------------

    def _check_numbers(self, step: int, values: Mapping[str, torch.Tensor]) -> None:
        keys = self.pipeline.training
        patience = keys.patience if keys.precision != "fp16" else max(keys.patience, FP16_PATIENCE)
        skips = {name: self.engine.read_skips(optimizer) for name, optimizer in self.optimizers.items()}
        worst = max(skips, key=lambda name: skips[name])
        if skips[worst] < patience:
            return
        bad = [name for name, value in values.items() if not bool(torch.isfinite(value).all())]
        learn = ", ".join(self.pipeline.phases[self.phase].turns[worst].learn)
        kept = f"the last good checkpoint is {self._saved}" if self._saved else "there is no checkpoint yet"
        which = f"loss {', '.join(bad)}" if bad else "no loss, but a gradient"
        raise NumbersError(
            f"not finite for {skips[worst]} steps in a row at step {step}: {which}, in the turn '{worst}' ({learn}); "
            f"{kept}",
            where=str(self.folder),
            fix="lower training.optimizers.*.lr, clip gradients (clip_norm: 1), or use precision: fp32",
        )

    def _log(self, step: int, values: Mapping[str, torch.Tensor], seconds: float) -> None:
        names = list(values)
        numbers = torch.stack([values[name].float() for name in names]).tolist() if names else []
        logged = self.engine.mean(dict(zip(names, numbers, strict=True)))
        for name, optimizer in self.optimizers.items():
            logged[f"lr.{name}"] = float(optimizer.param_groups[0]["lr"])
        logged["seconds_per_step"] = seconds
        self._notify("translate_step_logged", step=step, values=logged)

    def _show_preview(self, step: int) -> None:
        if self._preview is None:
            return
        averages = self.ema.modules if self.ema is not None else {}
        pictures = self._preview.pictures({**self.game.networks, **averages}, step)
        if pictures:
            self._notify("translate_preview_ready", step=step, pictures=pictures)

    def _notify(self, event: str, **arguments: Any) -> None:
        if not self.engine.is_main:
            return
        try:
            getattr(self._hook, event)(run=self._run, **arguments)
        except TranslateError:
            raise
        except Exception as exc:
            raise PluginError(
                f"an observer failed at {event}: {type(exc).__name__}: {exc}",
                fix="leave it out (training.observers) or report this to its authors",
            ) from exc
