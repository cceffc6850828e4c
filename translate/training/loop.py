"""Training: from a pipeline to a run's folder."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from translate.data.stream import Stream
from translate.errors import NumbersError, PluginError, TranslateError
from translate.optimizers import build_optimizer
from translate.pipeline.building import build
from translate.pipeline.checking import check
from translate.pipeline.compiling import scheduled
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.game import Game
from translate.pipeline.loading import load_pipeline
from translate.pipeline.opening import open_dataset, stream_settings
from translate.pipeline.settings import Pipeline
from translate.pipeline.watching import foreign
from translate.plugin_manager import PluginManager, default_manager
from translate.specs import Image
from translate.stopping import StopRequests
from translate.training import forking
from translate.training.checkpoint import Checkpoint, clean_checkpoints, find_checkpoints
from translate.training.data_list import check_examples, list_examples, write_examples
from translate.training.ema import Ema
from translate.training.engine import Engine, translated_errors
from translate.training.events import Events
from translate.training.feed import Feed, GaveUp
from translate.training.lock import RunLock
from translate.training.preview import Preview
from translate.training.rehearsal import rehearse
from translate.training.run import (
    CHECKPOINTS,
    Run,
    describe_run,
    prepare_folder,
    write_how_used,
    write_manifest,
    write_pipeline,
)
from translate.training.skips import SkipWatch
from translate.training.space import check_space
from translate.training.state import restore_random, resume, save
from translate.training.turns import LatentSource, TurnRunner
from translate.training.unsaved import StateWatch

log = logging.getLogger(__name__)


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
    accept_data_change: bool = False,
    fork: str | Path | None = None,
) -> TrainingResult:
    """Train a pipeline; the same call goes on where an earlier one stopped.

    Args:
        source: Name of a shipped pipeline, path of a YAML file, plain data, or a loaded pipeline.
        overrides: `a.b=value`, as on the command line (not for a loaded pipeline).
        out: The run's folder; by default `runs/NAME`.
        observers: Objects with event hooks, besides the pipeline's observers.
        manager: The plugins; by default all that are installed.
        take_over: Also take a folder whose lock a process on another host left.
        accept_data_change: Also go on where the data is not what it was.
        fork: A run, or one of its checkpoints, where this one begins if it has no checkpoint of its own yet.

    Raises:
        PipelineError: The pipeline is wrong; nothing was started.
        DataError: The data is missing or wrong.
        MachineError: Disk, memory or device.
        NumbersError: Losses or gradients stayed non-finite, or an observer ended what went wrong; the last good
            checkpoint is kept.
        Stopped: By SIGTERM or SIGUSR1; a checkpoint is saved, or in the middle of an iteration named.
        Interrupted: By Ctrl-C; likewise.
    """
    manager = manager or default_manager()
    with StopRequests() as stop:
        before = Path(out) if out is not None else None
        pipeline = (
            source
            if isinstance(source, Pipeline)
            else load_pipeline(source, overrides, catalogue=manager.catalogue, run=before)
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
            with engine.shared_fate(), _prepared(pipeline, folder, engine, manager, take_over=take_over):
                with translated_errors("building the networks", "use smaller networks or a smaller data.image_size"):
                    trainer = Trainer(
                        pipeline,
                        folder,
                        engine,
                        manager,
                        observers,
                        stop,
                        fork=Path(fork) if fork is not None else None,
                        accept_data_change=accept_data_change,
                    )
                return trainer.run()
        finally:
            engine.close()


@contextmanager
def _prepared(
    pipeline: Pipeline, folder: Path, engine: Engine, manager: PluginManager, *, take_over: bool
) -> Iterator[None]:
    """The run's folder, created and locked by the main process while the others wait."""
    with ExitStack() as held:
        with engine.together():
            if engine.is_main:
                prepare_folder(folder, pipeline, manager.catalogue)
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
        fork: Run or checkpoint where a new run begins; see `translate.training.forking`.
        accept_data_change: Go on where the data is not what it was.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        folder: Path,
        engine: Engine,
        manager: PluginManager,
        observers: Sequence[object],
        stop: StopRequests,
        *,
        fork: Path | None = None,
        accept_data_change: bool = False,
    ) -> None:
        self.pipeline, self.folder, self.engine, self.stop = pipeline, folder, engine, stop
        self._manager, self._extra = manager, observers
        self._dataset = dataset = open_dataset(pipeline, "train")
        stream = Stream(
            dataset,
            stream_settings(pipeline),
            batch_size=pipeline.training.batch_size,
            rank=engine.rank,
            world_size=engine.world_size,
        )
        self.feed = Feed(stream, pipeline, folder, engine, stop)
        fields = stream.fields
        begun = bool(find_checkpoints(folder / CHECKPOINTS))
        checked = check(pipeline, fields, catalogue=manager.catalogue, begun=begun)
        if engine.deterministic:
            rehearse(pipeline, stream, engine, manager.catalogue)
        self.game: Game = build(pipeline, fields, catalogue=manager.catalogue, checked=checked)
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
        self._fork, self._accept_data_change = fork, accept_data_change
        self.rescued = False  # an iteration failed half-way, and what is saved may hold a part of it
        self.draws = 0
        self.skips = SkipWatch(self.game, engine)
        self.kept = StateWatch(self.game)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.waited: dict[str, torch.Tensor] = {}
        self._optimizer_of: dict[str, tuple[Any, ...]] = {}
        self._optimized = -1  # the phase whose optimisers they are
        nodes = [node for graph in self.game.graphs for node in graph.nodes]
        self.description = describe_run(pipeline, dataset, [node.operation[0] for node in nodes if node.operation])
        self.runner: TurnRunner | None = None
        self.phase = -1

    # -- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> TrainingResult:
        """Train until the last step, or until something stops it."""
        steps = self.pipeline.training.steps
        checkpoint = resume(self)
        if checkpoint is not None:
            self.description |= forking.origin(checkpoint)
        forked: Checkpoint | None = None
        if checkpoint is None and self._fork is not None:
            checkpoint = forked = forking.fork(self, self._fork)
        self.feed.know_bad()
        start = checkpoint.step if checkpoint else 0
        self._done = start
        if checkpoint is not None and start >= steps:
            with self.engine.together():
                if self.engine.is_main:
                    write_how_used(self.folder, self.pipeline)
            return TrainingResult(self.folder, start, checkpoint.path, already_done=True, is_main=self.engine.is_main)
        self._run = Run(self.folder, self.pipeline, self.game, steps, start, self.engine.is_main)
        self._preview: Preview | None = None
        with self.engine.together():
            self._begin()
        self._saved: Path | None = checkpoint.path if checkpoint else None
        reason = "failed"
        try:
            with translated_errors(self._doing, self._smaller()):
                if start == 0 or forked is not None:
                    self._show_preview(start)
                if checkpoint is not None and (forked is None or forking.same_seed(self, forked)):
                    restore_random(self, checkpoint)
                for _ in self._iterations(start, steps):
                    pass
            reason = "done"
        except TranslateError as exc:
            reason = {75: "stopped", 130: "interrupted"}.get(exc.exit_code, "failed")
            raise
        finally:
            self.feed.close()
            self._events.finish(self._done, reason)
        assert self._saved is not None
        return TrainingResult(self.folder, steps, self._saved, is_main=self.engine.is_main)

    def _begin(self) -> None:
        """What is done once before the first iteration, most of it in the main process alone."""
        self._events = Events(self._run, self._manager, self._extra)
        if self.engine.is_main:
            check_space(self.folder / CHECKPOINTS, self.game, self._run.start_step)
            listed = list_examples(self._dataset)
            accepted = check_examples(self.folder, listed, self._run.start_step, accept=self._accept_data_change)
            if accepted:
                log.warning(accepted)
            write_pipeline(self.folder, self.pipeline)
            write_examples(self.folder, listed)
            write_manifest(self.folder, self.description)
            if self.pipeline.training.preview_every:
                try:
                    self._preview = Preview(self.game, self.feed.stream, self.engine.device)
                finally:
                    self.feed.list_bad()
        self._events.tell("translate_run_started")

    def _iterations(self, start: int, steps: int) -> Iterator[int]:
        """Run the iterations; yields the number of iterations done after each."""
        keys = self.pipeline.training
        each_step = self._events.are_heard("translate_step_finished")
        self.stop.started = True
        clock, counted = time.perf_counter(), start
        for step in range(start, steps):
            self._begin_phase(step)
            assert self.runner is not None
            done = step + 1
            logs = done % keys.log_every == 0 or done in {1, steps}  # never by where it went on: see MetricsFile
            self.feed.begin_iteration()
            try:
                values = self.runner.iterate(step, measuring=logs)
            except GaveUp:
                raise self._stopped_waiting(step) from None
            except PluginError as exc:
                self.feed.rewind()
                raise self._component_failed(step, exc) from exc.__cause__
            self._done = done
            self.skips.note(done, values)
            if step == start:  # after it, what is filled once and then stays is filled
                self.kept.look()
            self.draws = self.runner.draws
            if self.ema is not None:
                self.ema.update(done)
            if self.skips.is_due(done, steps):
                self._check_numbers(done, values)
            if each_step:
                self._events.tell("translate_step_finished", step=done)
            if logs:
                seconds = (time.perf_counter() - clock) / max(1, done - counted)
                clock, counted = time.perf_counter(), done
                self._log(done, values, seconds)
            if done == steps or (keys.preview_every and done % keys.preview_every == 0):
                self._show_preview(done)
            self.stop.end_after(keys.stop_after)
            stopping = self.engine.any(self.stop.requested is not None)
            if stopping or done % keys.checkpoint_every == 0 or done == steps:
                self._save(done)
                stopping = stopping or self.engine.any(self.stop.requested is not None)  # while it was saved
            yield done
            if stopping and done < steps:
                self.stop.requested = next(filter(None, self.engine.gather_objects(self.stop.requested)))
                raise self.stop.error(done)

    def _component_failed(self, step: int, exc: PluginError) -> PluginError:
        """The error of a component that failed in the loop, which says what is kept.

        What the iterations before learnt is saved, if a checkpoint does not hold it already. The iteration that failed
        may have moved some networks, so a run that goes on from there is not the one without the failure, bit for bit.
        """
        log.debug("a component failed", exc_info=exc)
        if step > self._run.start_step and self.engine.world_size == 1 and not self._is_saved(step):
            try:
                self.rescued = True
                self._save(step)
            except TranslateError as refused:
                log.warning("the iterations before the failure cannot be saved: %s", refused.what)
        what = f"{exc.what} (at step {step + 1}; {self._kept})"
        return PluginError(what, where=exc.where, fix=exc.fix)

    def _stopped_waiting(self, step: int) -> TranslateError:
        """The error of a run that was asked to stop in its wait for a batch.

        Before an iteration's first batch, what the iterations before learnt is saved. Later, and with several processes
        (the others may be in the middle of an exchange, which the end of this one ends), the iteration is lost.
        """
        if not self.feed.is_between_iterations:
            return self.stop.error(step, f"step {step + 1} waited for data and is lost; {self._kept}")
        if step == self._run.start_step:
            return self.stop.error(None)
        if not self._is_saved(step):
            self._save(step)
        return self.stop.error(step)

    @property
    def _kept(self) -> str:
        return f"the newest checkpoint is {self._saved}" if self._saved else "there is no checkpoint yet"

    def _is_saved(self, step: int) -> bool:
        return self._saved is not None and self._saved.name == f"{step:06d}"

    def _save(self, step: int) -> None:
        self._saved = save(self, step)
        self._events.tell("translate_checkpoint_saved", step=step, folder=self._saved)

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
        for name, loss in evaluator.loss_objects().items():
            self.kept.add(f"loss '{name}'", loss)
        self.kept.look()
        self.feed.batch_size = self.latents.count = phase.batch_size
        self.phase = index
        self.runner = TurnRunner(
            evaluator,
            self.engine,
            {name: self.optimizers[name] for name in phase.turns},
            self.feed.next,
            self.latents,
            keys.accumulate,
            self.draws,
            self.waited,
        )

    def set_optimizers(self, index: int) -> None:
        """An optimiser for each turn; those whose settings and networks are those of the phase before go on.

        None does where the phase resets them, unless they are this phase's already, as in a run that goes on.
        """
        phase = self.pipeline.phases[index]
        if phase.reset_optimizers and index != self._optimized:
            self.optimizers = {}
        self._optimized = index
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

    # -- what is seen -----------------------------------------------------------------------------------------------

    def _doing(self) -> str:
        """What runs out of memory, where it does."""
        phase = self.pipeline.phases[max(self.phase, 0)]
        sizes = [(spec.height, spec.width) for spec in self.feed.stream.fields.values() if isinstance(spec, Image)]
        at = " at {}x{}".format(*max(sizes)) if sizes else ""
        return f"training, step {self._done + 1}, in batches of {phase.batch_size}{at} on {self.engine.device.type}"

    def _smaller(self) -> str:
        keys = self.pipeline.training
        return (
            f"halve training.batch_size (it is {keys.batch_size}) or data.image_size, or raise training.accumulate "
            f"(it is {keys.accumulate}); then run the same command again with --out NEW"
        )

    def _check_numbers(self, step: int, values: Mapping[str, torch.Tensor]) -> None:
        trouble = self.skips.look(step, self.phase, self.optimizers)
        if trouble is None:
            return
        self._log(step, values, math.nan)
        error = trouble.error(step, self.folder, self._saved, fp16=self.pipeline.training.precision == "fp16")
        if others := self._suppliers(trouble.terms, trouble.networks):
            error = NumbersError(f"{error.what}; from plugins: {others}", where=error.where, fix=error.fix)
        raise error

    def _suppliers(self, terms: Iterable[str], networks: Iterable[str]) -> str:
        """What other people's plugins have to do with some losses (`turn.term`) and networks."""
        losses = self.pipeline.phases[self.phase].losses
        names = [term.partition(".")[2].partition(".")[0] for term in terms]
        entries = [losses[name].use.entry for name in names if name in losses]
        entries += [self.pipeline.networks[name].entry for name in networks if name in self.pipeline.networks]
        return ", ".join(dict.fromkeys(f"{e.kind} '{e.name}' from {e.provider}" for e in entries if foreign(e)))

    def _log(self, step: int, values: Mapping[str, torch.Tensor], seconds: float) -> None:
        names = list(values)
        numbers = torch.stack([values[name].float() for name in names]).tolist() if names else []
        logged = self.engine.mean(dict(zip(names, numbers, strict=True)))
        for name, optimizer in self.optimizers.items():
            logged[f"lr.{name}"] = float(optimizer.param_groups[0]["lr"])
        logged |= self.skips.longest()
        logged["seconds_per_step"] = seconds
        self._events.tell("translate_step_logged", step=step, values=logged)

    def _show_preview(self, step: int) -> None:
        if self._preview is None:
            return
        averages = self.ema.modules if self.ema is not None else {}
        pictures = self._preview.pictures({**self.game.networks, **averages}, step)
        if pictures:
            self._events.tell("translate_preview_ready", step=step, pictures=pictures)
