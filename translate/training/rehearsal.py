"""Whether everything in a training has a deterministic form on this device, before its first step.

torch says so where an operation without one is called, which for the gradient of a phase that begins late is days into
the run. So one iteration of each phase is rehearsed with a few examples and networks of its own, which are thrown away:
the list of such operations is torch's, for this version and this device.
"""

from __future__ import annotations

import linecache
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch

from translate.components import Catalogue, Entry
from translate.data.stream import Stream
from translate.errors import ComponentError, PluginError
from translate.pipeline.building import build
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.game import Game
from translate.pipeline.settings import Phase, Pipeline
from translate.pipeline.watching import module_of
from translate.training.engine import Engine
from translate.training.machine import NO_DETERMINISTIC_FORM
from translate.training.run import uses
from translate.training.turns import LatentSource, TurnRunner

_EXAMPLES: Final = 4
_OPERATION: Final = re.compile(rf"^(\S+) {NO_DETERMINISTIC_FORM}")
_FILE: Final = re.compile(r'File "([^"]+)", line (\d+)')


def rehearse(pipeline: Pipeline, stream: Stream, engine: Engine, catalogue: Catalogue) -> None:
    """Compute all losses of all phases and their gradients once, of networks that nobody else sees.

    It uses numbers of the global random generators, so these are to be seeded afterwards.

    Args:
        pipeline: Checked.
        stream: Gives the first examples.
        engine: Launched, with `deterministic`.
        catalogue: The components.

    Raises:
        ComponentError: An operation has no deterministic form; names it and the component that uses it.
    """
    game = build(pipeline, stream.fields, catalogue=catalogue)
    game.device = engine.device
    for network in game.networks.values():
        network.to(engine.device).train()
    for index, phase in enumerate(pipeline.phases):
        with _named(pipeline, game, phase):
            _iterate(game, index, stream, engine)


def _iterate(game: Game, index: int, stream: Stream, engine: Engine) -> None:
    phase, keys = game.pipeline.phases[index], game.pipeline.training
    share = max(1, min(_EXAMPLES, phase.batch_size // keys.accumulate))
    count = share * keys.accumulate
    batch = stream.examples([number % len(stream) for number in range(count)])
    moved = {name: value.to(engine.device) for name, value in batch.items()}
    autocast = None if keys.precision == "fp32" else engine.autocast
    runner = TurnRunner(
        Evaluator(game, index, autocast=autocast, keep_graphs=keys.accumulate == 1),
        _NoSteps(),  # type: ignore[arg-type]  # all of an engine that a turn asks for
        {
            name: torch.optim.SGD([p for network in turn.learn for p in game.trainable[network]], lr=0.0)
            for name, turn in phase.turns.items()
        },
        lambda: moved,
        LatentSource(game, keys.seed, count, engine.device),
        keys.accumulate,
    )
    runner.iterate(phase.start)
    runner.evaluator.release()


class _NoSteps:
    """What a turn needs of an engine, without moving anything."""

    def backward(self, loss: torch.Tensor) -> None:
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]

    def step(self, *_: Any, **__: Any) -> bool:
        return True

    def average(self, value: torch.Tensor) -> torch.Tensor:
        return value


@contextmanager
def _named(pipeline: Pipeline, game: Game, phase: Phase) -> Iterator[None]:
    """Say which operation has no deterministic form, and who uses it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            # Has autograd tell where the operation whose gradient fails was called.
            with torch.autograd.set_detect_anomaly(mode=True, check_nan=False):
                yield
        except (RuntimeError, PluginError) as exc:
            cause: BaseException | None = exc
            while cause is not None and (isinstance(cause, PluginError) or NO_DETERMINISTIC_FORM not in str(cause)):
                cause = cause.__cause__
            if cause is None:
                raise
            operation = _OPERATION.match(str(cause))
            frames = [*_frames(cause), *(place for one in caught for place in _FILE.findall(str(one.message)))]
            user, place = _user(frames, _entries(pipeline, game))
            if user is None:
                user = exc.what.partition(" failed: ")[0] if isinstance(exc, PluginError) else "a component"
            name = operation[1] if operation else str(cause).partition("\n")[0]
            raise ComponentError(
                f"a deterministic run is asked for, and {name} has no deterministic form on this device; "
                f"{user} uses it, in the phase that begins at step {phase.start}",
                where=place,
                fix="set training.deterministic: false, or choose a component without this operation",
            ) from exc


def _frames(exc: BaseException) -> list[tuple[str, str]]:
    found, trace = [], exc.__traceback__
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, str(trace.tb_lineno)))
        trace = trace.tb_next
    return found


def _entries(pipeline: Pipeline, game: Game) -> Iterator[tuple[str, Entry]]:
    """Every component whose gradient is computed, with a name for people."""
    for name, use in pipeline.networks.items():
        yield f"network {name}, {use.entry.kind} '{use.name}'", use.entry
    for used in uses(pipeline):
        yield f"{used.entry.kind} '{used.name}'", used.entry
    for node in (node for graph in game.graphs for node in graph.nodes):
        if node.operation is not None:
            yield f"operation '{node.operation[0].name}'", node.operation[0]


def _user(frames: Iterable[tuple[str, str]], entries: Iterable[tuple[str, Entry]]) -> tuple[str | None, str | None]:
    """The component in whose module the innermost of some calls stands, and that call; None where there is none."""
    modules: Mapping[str, Any] = sys.modules
    files: dict[str, list[str]] = {}
    for name, entry in entries:
        file = getattr(modules.get(module_of(entry)), "__file__", None)
        if file is not None and name not in files.setdefault(file, []):
            files[file].append(f"{name} from {entry.provider}")
    for file, line in reversed([*frames]):
        if file in files:
            return " or ".join(dict.fromkeys(files[file])), linecache.getline(file, int(line)).strip() or None
    return None, None
