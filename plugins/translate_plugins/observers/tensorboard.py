"""Curves and previews for TensorBoard."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from translate import hookimpl
from translate.errors import PluginError

if TYPE_CHECKING:
    from translate.training.run import Run


class Tensorboard:
    """Write events to the folder `tensorboard` of the run.

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
        self._writer = SummaryWriter(
            log_dir=str(run.folder / "tensorboard"), purge_step=run.start_step + 1 if run.start_step else None
        )

    @hookimpl
    def translate_step_logged(self, step: int, values: Mapping[str, float]) -> None:
        """Write the curves."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    @hookimpl
    def translate_preview_ready(self, step: int, pictures: Mapping[str, Any]) -> None:
        """Write the previews, one entry for each expression."""
        if self._writer is None or not self._pictures:
            return
        for name, batch in pictures.items():
            if batch.shape[1] in {1, 3}:
                self._writer.add_images(name, batch.clamp(0, 1), step)

    @hookimpl
    def translate_run_finished(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
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
