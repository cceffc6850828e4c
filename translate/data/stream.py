"""The endless stream of batches: its order and content are a function of (seed, position) alone.

Position q of the order holds example `permutation(seed, q // n)[q % n]` of the n examples, with the randomness of
`SeedSequence([seed, q])`. Neither depends on the number of worker processes, on the batches before, or on the rank, so
that a training resumes anywhere by a number.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

import torch

from translate.data.bad import BadExamples
from translate.data.examples import Examples, Failure, Prepared, StreamSettings, to_range
from translate.data.request import Dataset
from translate.data.workers import Workers
from translate.specs import Spec

__all__ = ["Stream", "StreamSettings"]

Batches = Generator[dict[str, torch.Tensor], None, None]


class Stream:
    """Batches of a dataset for one rank.

    Args:
        dataset: The dataset.
        settings: See `StreamSettings`.
        batch_size: Examples per batch over all ranks, where `batches` is not told another number.
        rank: Which contiguous share of each batch this is.
        world_size: Number of ranks.

    Raises:
        ValueError: `batch_size` is not a multiple of `world_size`, or below 1.
        DataError: The dataset is empty, or the settings do not fit it.
    """

    def __init__(
        self, dataset: Dataset, settings: StreamSettings, *, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        _check_batch_size(batch_size, world_size)
        self._examples = Examples(dataset, settings)
        #: What was left out so far, in the order of the batches that were handed out, whoever prepared them.
        self.bad = BadExamples(len(dataset))
        self._batch_size, self._rank, self._world_size = batch_size, rank, world_size

    @property
    def fields(self) -> Mapping[str, Spec]:
        """The spec of each field of a batch."""
        return self._examples.fields

    def __len__(self) -> int:
        """Examples in one epoch, over all ranks."""
        return len(self._examples.dataset)

    def name(self, index: int) -> str:
        """The stem of files written for an example."""
        return self._examples.dataset.name(index)

    def examples(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """A batch of chosen examples without transforms, only resized: for previews and evaluation.

        Raises:
            DataError: An example cannot be read.
        """
        batch = self._examples.plain_batch(indices)
        return self._finished(Prepared(batch, self._examples.take_bad()))

    def batches(
        self, position: int = 0, batch_size: int | None = None, *, leave: Callable[[], bool] = lambda: False
    ) -> Batches:
        """All batches from a position on, without end unless it is asked to leave.

        Closing the iterator (`close()`, or losing the last reference) ends its worker processes.

        Args:
            position: Examples drawn before over all ranks, in batches of any size.
            batch_size: Examples per batch over all ranks; None = the stream's own.
            leave: Whether to give up: looked at about once a second while worker processes have no batch ready, and
                once it is true the iterator ends. A batch that is there is handed out all the same.

        Raises:
            ValueError: `position` is negative, or `batch_size` not a multiple of the number of ranks.
            DataError: An example cannot be read; names its file.
            MachineError: A worker process died or hangs.
        """
        if position < 0:
            msg = f"position must not be negative (got {position})"
            raise ValueError(msg)
        size = self._batch_size if batch_size is None else batch_size
        _check_batch_size(size, self._world_size)
        positions = self._positions(position, size)
        return self._here(positions) if self._examples.settings.workers == 0 else self._by_workers(positions, leave)

    def _positions(self, position: int, batch_size: int) -> Iterator[list[int]]:
        """This rank's share of the positions of each batch."""
        share = batch_size // self._world_size
        for start in itertools.count(position + self._rank * share, batch_size):
            yield list(range(start, start + share))

    def _here(self, batches: Iterator[list[int]]) -> Batches:
        for positions in batches:
            batch = self._examples.batch_at(positions)
            yield self._finished(Prepared(batch, self._examples.take_bad()))

    def _by_workers(self, batches: Iterator[list[int]], leave: Callable[[], bool]) -> Batches:
        workers = Workers(self._examples, batches, leave)
        try:
            while (found := workers.next()) is not None:
                yield self._finished(found)
        finally:
            workers.close()

    def _finished(self, found: Prepared | Failure) -> dict[str, torch.Tensor]:
        if isinstance(found, Failure):
            raise found.error
        for bad in found.bad:
            self.bad.add(bad)
        return to_range(found.batch, self._examples.images)


def _check_batch_size(batch_size: int, world_size: int) -> None:
    if batch_size < 1 or batch_size % world_size:
        msg = f"batch_size must be a multiple of the {world_size} processes (got {batch_size})"
        raise ValueError(msg)
