"""What observers and plugins hear of a training, and what follows where one of them fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Final

from translate.errors import ANYTHING, PluginError, TranslateError
from translate.generators import undisturbed
from translate.pipeline.game import create
from translate.pipeline.watching import first_line, foreign, module_of, modules_of
from translate.plugin_manager import PluginManager
from translate.training.run import Run

_FINISHED: Final = "translate_run_finished"

log = logging.getLogger(__name__)


class Events:
    """Tells the run's observers and all plugins what happens; in the main process alone.

    Args:
        run: What they see; gets their hooks.
        manager: The plugins.
        extra: Observers besides those of the pipeline.

    Raises:
        PipelineError: An observer refuses its settings, or fails to be made.
        PluginError: An observer has a hook that does not exist.
    """

    def __init__(self, run: Run, manager: PluginManager, extra: Sequence[object]) -> None:
        self._run, self._manager = run, manager
        uses = run.pipeline.observers if run.is_main else ()
        observers = [create(run.pipeline, use) for use in uses]
        self._own = [observer for observer, use in zip(observers, uses, strict=True) if not foreign(use.entry)]
        self._hooks = manager.for_run([*observers, *extra])
        run.hook = self._hooks.hook
        self._guarded: dict[str, bool] = {}
        self._refused: set[tuple[str, int]] = set()  # events at which the disk refused an observer

    def are_heard(self, event: str) -> bool:
        """Whether anybody listens to an event."""
        return bool(self._listeners(event))

    def tell(self, event: str, **arguments: Any) -> None:
        """Let all that listen hear of an event.

        Raises:
            PluginError: One of them failed; those after it did not hear of it.
            TranslateError: One of them ended the run.
        """
        if self._run.is_main:
            self._call(getattr(self._hooks.hook, event), event, arguments)

    def finish(self, step: int, reason: str) -> None:
        """Tell that the run ends, to each by itself: all of them close what they have open.

        Args:
            step: Iterations done.
            reason: `done`, or else what ended the run, which is not replaced by an observer that fails then.

        Raises:
            PluginError: The run is done, and one of them failed.
        """
        failures: list[TranslateError] = []
        listeners = self._listeners(_FINISHED) if self._run.is_main else []
        for listener in reversed(listeners):  # the newest first, as pluggy does
            try:
                caller = getattr(self._manager.alone(listener), _FINISHED)
                self._call(caller, _FINISHED, {"step": step, "reason": reason}, of=listener)
            except TranslateError as exc:
                failures.append(exc)
        first = failures.pop(0) if failures and reason == "done" else None
        for failure in failures:
            log.warning("%s", failure.sentences)
        if first is not None:
            raise first

    def _listeners(self, event: str) -> list[Any]:
        return [each.plugin for each in getattr(self._hooks.hook, event).get_hookimpls()]

    def _call(self, caller: Callable[..., Any], event: str, arguments: Mapping[str, Any], *, of: object = None) -> None:
        if event not in self._guarded:
            # What others draw must not move what is learnt. Our own draw nothing, and that must not cost each step.
            strangers = (all(listener is not own for own in self._own) for listener in self._listeners(event))
            self._guarded[event] = any(strangers)
        try:
            with undisturbed() if self._guarded[event] else nullcontext():
                caller(run=self._run, **arguments)
        except TranslateError:
            raise
        except OSError as exc:  # a disk that refuses costs what observers write, not the run
            if (event, id(of)) not in self._refused:
                self._refused.add((event, id(of)))
                log.warning("an observer cannot write at %s (%s); the training goes on", event, exc)
        except ANYTHING as exc:
            step = f" (at step {arguments['step']})" if "step" in arguments else ""
            raise PluginError(
                f"an observer{self._whose(exc)} failed at {event}: {first_line(exc)}{step}",
                fix="leave it out (training.observers) or report this to its authors",
            ) from exc

    def _whose(self, exc: BaseException) -> str:
        """The observer, or else the plugin, whose code an exception came through."""
        modules = modules_of(exc)
        for use in self._run.pipeline.observers:
            if module_of(use.entry) in modules:
                return f" '{use.name}' from {use.entry.provider}"
        provider = self._manager.provider_of(modules)
        return f" of plugin {provider}" if provider else ""
