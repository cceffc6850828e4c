"""Curves and previews for TensorBoard."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from translate import hookimpl
from translate.errors import PluginError

if TYPE_CHECKING:
    from translate.notices import Notice
    from translate.training.run import Run

_log = logging.getLogger(__name__)


class Tensorboard:
    """Write events to the folder `tensorboard` of the run. A disk that refuses costs the curves, not the run.

    Args:
        pictures: Also write the previews.

    Raises:
        PluginError: The extra is not installed.
    """

    def __init__(self, *, pictures: bool = True) -> None:
        if not _is_installed():
            raise _missing()
        self._pictures = pictures
        self._writer: Any = None

    @hookimpl
    def translate_run_started(self, run: Run) -> None:
        """Open the events file; events after the step at which a run goes on are marked as void."""
        if not run.is_main:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as exc:
            raise _missing() from exc
        folder = run.folder / "tensorboard"
        with self._giving_up(folder):
            self._writer = SummaryWriter(log_dir=str(folder), purge_step=run.start_step + 1 if run.start_step else None)

    @hookimpl
    def translate_step_logged(self, step: int, values: Mapping[str, float]) -> None:
        """Write the curves."""
        if self._writer is None:
            return
        with self._giving_up():
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    @hookimpl
    def translate_preview_ready(self, step: int, pictures: Mapping[str, Any]) -> None:
        """Write the previews, one entry for each expression."""
        if self._writer is None or not self._pictures:
            return
        with self._giving_up():
            for name, batch in pictures.items():
                if batch.shape[1] in {1, 3}:
                    self._writer.add_images(name, batch.clamp(0, 1), step)

    @hookimpl
    def translate_noticed(self, step: int, notice: Notice) -> None:
        """Write what an observer has to say."""
        if self._writer is None:
            return
        with self._giving_up():
            self._writer.add_text(notice.source, " ".join([notice.text, *notice.advice]), step)

    @hookimpl
    def translate_run_finished(self) -> None:
        """Close the file."""
        if self._writer is not None:
            with self._giving_up():
                self._writer.close()
            self._writer = None

    @contextmanager
    def _giving_up(self, folder: Path | None = None) -> Iterator[None]:
        """A disk that refuses costs the curves, not the run."""
        try:
            yield
        except OSError as exc:
            where = folder or self._writer.log_dir
            _log.warning("%s cannot be written (%s); the training goes on without it", where, exc.strerror or exc)
            self._writer = None


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("tensorboard") is not None
    except ValueError:  # a module that was replaced by hand
        return False


def _missing() -> PluginError:
    return PluginError(
        "the observer 'tensorboard' needs the package tensorboard, which is not installed",
        fix="pip install 'translate-images[tensorboard]'",
    )
