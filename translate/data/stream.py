"""The endless stream of batches: its order and content are a function of (seed, position) alone.

Position q of the order holds example `permutation(seed, q // n)[q % n]` of the n examples, with the randomness of
`SeedSequence([seed, q])`. Neither depends on the number of worker processes, on the batches before, or on the rank, so
that a training resumes anywhere by a number.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch.utils.data import DataLoader

from translate.data.examples import Examples, Failure, StreamSettings, collate, to_range
from translate.data.request import Dataset
from translate.errors import MachineError
from translate.specs import Spec

__all__ = ["Stream", "StreamSettings"]

WORKER_TIMEOUT: Final = 120.0  # seconds without a batch; without a limit a hanging disk would hang the run for ever


class Stream:
    """Batches of a dataset for one rank.

    Args:
        dataset: The dataset.
        settings: See `StreamSettings`.
        batch_size: Examples per batch over all ranks.
        rank: Which contiguous share of each batch this is.
        world_size: Number of ranks.

    Raises:
        ValueError: `batch_size` is not a multiple of `world_size`, or below 1.
        DataError: The dataset is empty, or the settings do not fit it.
    """

    def __init__(
        self, dataset: Dataset, settings: StreamSettings, *, batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            msg = f"batch_size must be a multiple of the {world_size} processes (got {batch_size})"
            raise ValueError(msg)
        self._examples = Examples(dataset, settings)
        self._batch_size = batch_size
        self._share = batch_size // world_size
        self._offset = rank * self._share

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
        batch = collate([self._examples.plain(index) for index in indices])
        return self._finished(batch)

    def batches(self, position: int = 0) -> Iterator[dict[str, torch.Tensor]]:
        """All batches from a position on, without end.

        Closing the iterator (`close()`, or losing the last reference) ends its worker processes.

        Args:
            position: Examples drawn before over all ranks; a multiple of `batch_size`.

        Raises:
            ValueError: `position` is not a multiple of `batch_size`.
            DataError: An example cannot be read; names its file.
            MachineError: A worker process died or hangs.
        """
        if position < 0 or position % self._batch_size:
            msg = f"position must be a multiple of the batch size {self._batch_size} (got {position})"
            raise ValueError(msg)
        return self._here(position) if self._examples.settings.workers == 0 else self._by_workers(position)

    def _positions(self, position: int) -> Iterator[list[int]]:
        """This rank's share of the positions of each batch."""
        for start in itertools.count(position + self._offset, self._batch_size):
            yield list(range(start, start + self._share))

    def _here(self, position: int) -> Iterator[dict[str, torch.Tensor]]:
        for positions in self._positions(position):
            yield self._finished(collate([self._examples.at(q) for q in positions]))

    def _by_workers(self, position: int) -> Iterator[dict[str, torch.Tensor]]:
        workers = self._examples.settings.workers
        loader: DataLoader[Any] = DataLoader(
            self._examples,  # type: ignore[arg-type]  # a map with __getitem__ is all that a batch sampler needs
            batch_sampler=_Sampler(self._positions(position)),
            num_workers=workers,
            collate_fn=collate,
            timeout=WORKER_TIMEOUT,
            worker_init_fn=_start_worker,
            generator=torch.Generator().manual_seed(0),  # not the global one, whose numbers belong to the networks
        )
        iterator = iter(loader)
        processes = list(getattr(iterator, "_workers", []))
        try:
            while True:
                yield self._finished(_next(iterator))
        except MachineError:
            _stop_watching(iterator)
            for process in processes:
                process.kill()
            raise
        finally:
            # Dropping the iterator asks its workers to leave; one that hangs is not waited for.
            del iterator
            for process in processes:
                process.join(timeout=1.0)
                if process.is_alive():
                    process.kill()

    def _finished(self, batch: dict[str, torch.Tensor] | Failure) -> dict[str, torch.Tensor]:
        if isinstance(batch, Failure):
            raise batch.error
        return to_range(batch, self._examples.images)


class _Sampler:
    """An endless iterator as the batch sampler that DataLoader wants."""

    def __init__(self, positions: Iterator[list[int]]) -> None:
        self._positions = positions

    def __iter__(self) -> Iterator[list[int]]:
        return self._positions


def _next(iterator: Any) -> dict[str, torch.Tensor] | Failure:
    try:
        batch: dict[str, torch.Tensor] | Failure = next(iterator)
    except RuntimeError as exc:
        what = f"a process that prepares batches stopped or hangs ({str(exc).splitlines()[0]})"
        fix = "lower data.workers (0 uses none); look for too little memory or shared memory, or a disk that hangs"
        raise MachineError(what, where="data.workers", fix=fix) from exc
    return batch


def _stop_watching(iterator: Any) -> None:
    """Have torch no longer raise for the end of these workers: it does so anywhere in the main thread, at any time."""
    if getattr(iterator, "_worker_pids_set", False):
        handling: Any = torch.utils.data._utils.signal_handling  # noqa: SLF001  # there is no public way
        handling._remove_worker_pids(id(iterator))  # noqa: SLF001
        iterator._worker_pids_set = False  # noqa: SLF001


def _start_worker(_: int) -> None:
    torch.set_num_threads(1)
    # Requests to stop are the parent's: it saves a checkpoint first, and workers must not die under it.
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
