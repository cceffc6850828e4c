"""Finds what has a state that no checkpoint holds, so that it is an error at the first save and not a riddle later.

A checkpoint holds the state dicts of networks and operations. What they keep elsewhere (a counter as a plain
attribute, a buffer that is not persistent, a generator of their own), and whatever latents, schedules and losses
remember, would be lost. Nobody can list such things, but they give themselves away: they differ from one look to the
next.

What was empty may be filled once, and a dict may gain keys: those are caches, made again when they are missed. An
attribute that is none of the run's state for another reason is named in `not_state` of its class.
"""

from __future__ import annotations

import random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from translate.errors import PluginError
from translate.pipeline.game import Game

_MODULES_OWN: Final = frozenset(vars(nn.Module())) | {"track_running_stats"}  # the last: switched by the evaluator
_LARGE: Final = 2**16  # elements; larger tensors are compared by what torch knows of their changes
_DEPTH: Final = 4
_MOST: Final = 1000
_SKIPPED: Final = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, property)

Look = Any
"""What a value looked like: nested tuples of (kind, content)."""


class StateWatch:
    """Looks at everything in a game that could have a state of its own.

    Args:
        game: The built pipeline; operations that are made later are found at the next look.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self._objects: dict[str, Any] = {}
        self._seen: dict[tuple[str, str], Look] = {}
        self._lost: dict[str, str] = {}

    def add(self, label: str, value: Any) -> None:
        """Also look at this."""
        self._objects[label] = value

    def look(self) -> None:
        """Compare everything with the look before; what changed is remembered for `check`."""
        for label, root, saves in self._roots():
            known = _saved_storages(root) if saves else frozenset[int]()
            for name, value in _parts(root, saved=saves):
                key = (label, name)
                before, now = self._seen.get(key), _look(value, known)
                if before is not None and label not in self._lost and _differs(before, now):
                    self._lost[label] = name
                self._seen[key] = now

    def check(self) -> None:
        """Look, and refuse what a checkpoint would lose.

        Raises:
            PluginError: Something has a state that is not saved; names it.
        """
        self.look()
        if not self._lost:
            return
        label, name = next(iter(self._lost.items()))
        more = f" (and {len(self._lost) - 1} more)" if len(self._lost) > 1 else ""
        raise PluginError(
            f"{label} has a state that a checkpoint would lose: its '{name}' changes in training{more}",
            where=self._supplier(label),
            fix="keep it in a persistent buffer of a network or operation, or return it from get_extra_state; name it "
            "in the class's `not_state` where it is none",
        )

    def _roots(self) -> Iterator[tuple[str, Any, bool]]:
        """Everything to look at: label, object, and whether its state dict is saved."""
        game = self._game
        for name, network in game.networks.items():
            yield f"network '{name}'", network, True
        for key, site in game.sites.items():
            yield f"operation {key}", site, True
        for name, latent in game.latents.items():
            yield f"latent '{name}'", latent, False
        for name, schedule in game.schedules.items():
            yield f"schedule '{name}'", schedule, False
        for label, value in self._objects.items():
            yield label, value, False

    def _supplier(self, label: str) -> str | None:
        kind, _, name = label.partition(" ")
        name = name.strip("'")
        uses = {"network": self._game.pipeline.networks, "latent": self._game.pipeline.latents,
                "schedule": self._game.pipeline.schedules}.get(kind, {})  # fmt: skip
        if name in uses:
            entry = uses[name].entry
            return f"{entry.kind} '{entry.name}' from {entry.provider}"
        return None


def _parts(root: Any, *, saved: bool) -> Iterator[tuple[str, Any]]:
    """What of an object no state dict holds, by name."""
    if not isinstance(root, nn.Module):
        yield from _attributes(root, "")
        return
    for path, module in root.named_modules():
        prefix = f"{path}." if path else ""
        left = module._non_persistent_buffers_set if saved else {*module._buffers, *module._parameters}  # noqa: SLF001
        for name in left:
            yield f"{prefix}{name}", getattr(module, name)
        if type(module).get_extra_state is nn.Module.get_extra_state:
            yield from _attributes(module, prefix)


def _attributes(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    named = getattr(type(value), "not_state", ())
    for name, attribute in getattr(value, "__dict__", {}).items():
        if name not in named and not (isinstance(value, nn.Module) and name in _MODULES_OWN):
            yield f"{prefix}{name}", attribute


def _saved_storages(root: Any) -> frozenset[int]:
    """Where the memory of a module's parameters and persistent buffers is: other names for it are no state."""
    left = {
        id(module._buffers[name])  # noqa: SLF001
        for module in root.modules()
        for name in module._non_persistent_buffers_set  # noqa: SLF001
    }
    tensors = (*root.parameters(), *root.buffers())
    return frozenset(_storage(tensor) for tensor in tensors if id(tensor) not in left)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else id(tensor)


def _look(value: Any, known: frozenset[int], depth: int = 0) -> Look:  # noqa: C901  # one case each
    if value is None or depth > _DEPTH:
        return ("nothing", None)
    if isinstance(value, bool | int | float | complex | str | bytes):
        return ("value", (type(value), repr(value)))
    if isinstance(value, Tensor):
        if not value.numel() or _storage(value) in known:
            return ("nothing", None)
        if value.numel() <= _LARGE:
            return ("tensor", value.detach().cpu().clone())
        return ("version", (value, value._version))  # noqa: SLF001
    if isinstance(value, np.ndarray):
        return ("array", value.copy()) if 0 < value.size <= _LARGE else ("nothing", None)
    if isinstance(value, torch.Generator):
        return ("tensor", value.get_state())
    if isinstance(value, np.random.Generator):
        return ("value", repr(value.bit_generator.state))
    if isinstance(value, random.Random):
        return ("value", repr(value.getstate()))
    if isinstance(value, Mapping):
        items = list(value.items())[:_MOST]
        return ("mapping", {key: _look(item, known, depth + 1) for key, item in items})
    if isinstance(value, list | tuple | deque):
        return ("sequence", [_look(item, known, depth + 1) for item in list(value)[:_MOST]])
    if isinstance(value, nn.Module):
        return ("mapping", {name: _look(part, known, depth + 1) for name, part in _parts(value, saved=False)})
    if isinstance(value, _SKIPPED) or not hasattr(value, "__dict__") or type(value).__module__.startswith("torch."):
        return ("nothing", None)
    return ("mapping", {name: _look(part, known, depth + 1) for name, part in _attributes(value, "")})


def _differs(before: Look, now: Look) -> bool:
    """Whether what was there is something else now; what was empty may have been filled."""
    kind, old = before
    if kind == "nothing" or (kind in {"mapping", "sequence"} and not old):
        return False
    if kind != now[0]:
        return True
    new = now[1]
    if kind == "mapping":
        return any(key not in new or _differs(look, new[key]) for key, look in old.items())
    if kind == "sequence":
        return len(old) != len(new) or any(_differs(a, b) for a, b in zip(old, new, strict=True))
    if kind == "tensor":
        same = old.shape == new.shape and old.dtype == new.dtype
        return not (same and torch.equal(old.nan_to_num(), new.nan_to_num()))
    if kind == "array":
        return old.shape != new.shape or not np.array_equal(old, new)
    if kind == "version":
        return old[0] is not new[0] or old[1] != new[1]
    return bool(old != new)
