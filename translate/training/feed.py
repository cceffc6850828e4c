"""The batches of a training: where it is in the data, how long it waits for them, and what is left out."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Final

from torch import Tensor

from translate.data.stream import Batches, Stream
from translate.errors import MachineError
from translate.pipeline.settings import Pipeline
from translate.stopping import StopRequests
from translate.training.engine import Engine
from translate.training.run import BAD_IMAGES, write_text

PATIENCE: Final = 3.0
"""Seconds that a batch is waited for after a request to stop where an iteration that is begun would be lost."""

log = logging.getLogger(__name__)


class GaveUp(Exception):  # noqa: N818  # control flow of the loop, never seen outside
    """The wait for a batch was given up, as a request to stop came."""


class Feed:
    """The batches of one process, one after the other.

    Args:
        stream: The data.
        pipeline: Whose batches they are.
        folder: The run's, where what is left out is listed.
        engine: Of this process.
        stop: Requests to stop, which end a wait.

    Attributes:
        stream: The data.
        examples: Drawn so far over all processes: the place in the data, part of a run's state.
        batch_size: Of all processes together; another one holds from the next batch.
    """

    def __init__(self, stream: Stream, pipeline: Pipeline, folder: Path, engine: Engine, stop: StopRequests) -> None:
        self.stream = stream
        self.examples = 0
        self._keys, self._skips = pipeline.training, pipeline.data.on_bad_image == "skip"
        self._folder, self._engine, self._stop = folder, engine, stop
        self._batch_size = self._keys.batch_size
        self._begun_at = 0  # the place where the iteration began
        self._asked: float | None = None  # when a request to stop was first heard in a wait
        self._batches: Batches | None = None
        self._listed = 0

    @property
    def batch_size(self) -> int:
        """Of all processes together."""
        return self._batch_size

    @batch_size.setter
    def batch_size(self, value: int) -> None:
        if value != self._batch_size:
            self.close()
            self._batch_size = value

    def begin_iteration(self) -> None:
        """Note the place, to which `rewind` goes back."""
        self._begun_at = self.examples

    def rewind(self) -> None:
        """Take the place at which the iteration began."""
        self.examples = self._begun_at

    @property
    def is_between_iterations(self) -> bool:
        """Whether this process alone can save, in a wait for a batch."""
        return self.examples == self._begun_at and self._engine.world_size == 1

    def next(self) -> dict[str, Tensor]:
        """The next batch, on the device.

        Raises:
            GaveUp: It was not waited for to the end.
            DataError: An example cannot be used.
            MachineError: A process that prepares batches died or hangs.
        """
        if self._batches is None:
            self._batches = self.stream.batches(self.examples, self._batch_size, leave=self._gives_up)
        try:
            batch = next(self._batches, None)
        except BaseException:
            self._share_bad()
            raise
        if batch is None:  # the other processes need not be here
            raise GaveUp
        self._share_bad()
        self.examples += self._batch_size
        return {name: value.to(self._engine.device, non_blocking=True) for name, value in batch.items()}

    def close(self) -> None:
        """End the processes that prepare batches; the next batch starts new ones."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def list_bad(self) -> None:
        """List in the run's folder what was left out of the data, and say what is new."""
        bad = self.stream.bad
        if len(bad) == self._listed or not self._engine.is_main:
            return
        for where, what in list(bad.found.items())[self._listed :]:
            log.warning("left out of the data: %s: %s", where, what)
        self.know_bad()
        try:
            write_text(self._folder / BAD_IMAGES, json.dumps(bad.report(), indent=1) + "\n")
        except MachineError as exc:  # the list is not worth the run; checkpoints hold it too
            log.warning("%s cannot be written (%s); the training goes on", self._folder / BAD_IMAGES, exc.what)

    def know_bad(self) -> None:
        """Take what is left out by now for listed, as in a run that goes on."""
        self._listed = len(self.stream.bad)

    def _gives_up(self) -> bool:
        """Whether a batch is waited for no longer."""
        self._stop.end_after(self._keys.stop_after)
        if self._stop.requested is None:
            return False
        if self._asked is None:
            self._asked = time.monotonic()
        return self.is_between_iterations or time.monotonic() - self._asked >= PATIENCE

    def _share_bad(self) -> None:
        """Have all processes know and judge what any of them left out of this batch; all call it."""
        bad = self.stream.bad
        if self._skips and self._engine.any(bool(bad.news)):
            bad.unite(self._engine.gather_objects(bad.news))
            self.list_bad()
            bad.check()
