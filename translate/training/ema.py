"""Averages of the networks' weights over the steps (Polyak averaging with exponential weights)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from translate.errors import ModelFileError


class Ema:
    """Exponential moving average of named networks: `average = decay * average + (1 - decay) * weight`.

    The same numbers as `torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn(decay)`: the first update
    copies. All parameters of all networks are averaged in one fused call. Buffers, of floats and of integers alike, and
    extra states are copied and not averaged: running statistics are averages already, the vectors of a spectral norm
    would be none.

    Args:
        networks: The networks, on their device, by name.
        decay: Weight of the past, in [0, 1).
        start: Until this step the averages are copies.
    """

    def __init__(self, networks: Mapping[str, nn.Module], *, decay: float, start: int = 0) -> None:
        if not 0 <= decay < 1:
            msg = f"decay must be in [0, 1) (got {decay})"
            raise ValueError(msg)
        self.decay = decay
        self.start = start
        self.updates = 0
        self._networks = dict(networks)
        self.modules = {name: copy.deepcopy(network).requires_grad_(False) for name, network in networks.items()}
        self._with_extra_state = {
            name: [
                (theirs, own)
                for theirs, own in zip(self.modules[name].modules(), network.modules(), strict=True)
                if type(own).get_extra_state is not nn.Module.get_extra_state
            ]
            for name, network in networks.items()
        }
        self._average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights of a finished step in; waits for no device.

        Args:
            step: Iterations done.
        """
        averages, weights = self._pairs()
        if self.updates == 0 or step <= self.start:
            for average, weight in zip(averages, weights, strict=True):
                average.copy_(weight)
        elif averages:
            self._average(averages, weights, 0)
        for name, network in self._networks.items():
            for average, weight in zip(self.modules[name].buffers(), network.buffers(), strict=True):
                average.copy_(weight)
            for theirs, own in self._with_extra_state[name]:
                theirs.set_extra_state(copy.deepcopy(own.get_extra_state()))
        self.updates += 1

    def weights(self) -> dict[str, dict[str, Any]]:
        """State dicts of the averages under the names they have in a checkpoint, `ema/NAME`."""
        return {f"ema/{name}": dict(module.state_dict()) for name, module in self.modules.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps beside `weights`."""
        return {"updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any], weights: Mapping[str, Mapping[str, Any]]) -> None:
        """Go on from what `state_dict` and `weights` returned.

        Args:
            state: From `state_dict`.
            weights: All state dicts of a checkpoint; those named `ema/NAME` are read.

        Raises:
            ModelFileError: The average of a network is missing.
        """
        for name, module in self.modules.items():
            if f"ema/{name}" not in weights:
                raise ModelFileError(
                    f"the checkpoint holds no average of network '{name}'",
                    where=f"ema/{name}",
                    fix="go on without training.ema, or from a checkpoint that was trained with it",
                )
            module.load_state_dict(dict(weights[f"ema/{name}"]))
        self.updates = int(state["updates"])

    def _pairs(self) -> tuple[list[Tensor], list[Tensor]]:
        averages: list[Tensor] = [p for module in self.modules.values() for p in module.parameters()]
        weights: list[Tensor] = [p for name in self.modules for p in self._networks[name].parameters()]
        return averages, weights
