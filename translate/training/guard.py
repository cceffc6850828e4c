"""Optimisation steps that a gradient which is not finite cannot spoil.

On a GPU the decision is made there: nothing waits for it. On a CPU there is nothing to wait for, and asking is cheaper.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SkipCounter:
    """Skipped steps by optimiser, counted where the decision is made and read seldom."""

    def __init__(self) -> None:
        # In a row up to now, and the most in a row since the last reading.
        self._counts: weakref.WeakKeyDictionary[torch.optim.Optimizer, tuple[Tensor, Tensor]] = (
            weakref.WeakKeyDictionary()
        )
        self._host: weakref.WeakKeyDictionary[torch.optim.Optimizer, list[int]] = weakref.WeakKeyDictionary()

    def add(self, optimizer: torch.optim.Optimizer, found: Tensor | bool) -> None:
        """Count a step: skipped when `found`, else taken."""
        if isinstance(found, bool):
            counts = self._host.setdefault(optimizer, [0, 0])
            counts[0] = counts[0] + 1 if found else 0
            counts[1] = max(counts)
            return
        pair = self._counts.get(optimizer)
        if pair is None:
            pair = self._counts[optimizer] = (torch.zeros_like(found), torch.zeros_like(found))
        current, longest = pair
        current.add_(1).mul_(found)
        torch.maximum(longest, current, out=longest)

    def read(self, optimizer: torch.optim.Optimizer | None = None) -> int:
        """The most in a row since the last reading, of one optimiser or of the worst; waits for the device."""
        pairs = [pair for key, pair in self._counts.items() if optimizer is None or key is optimizer]
        hosts = [counts for key, counts in self._host.items() if optimizer is None or key is optimizer]
        longest = int(torch.stack([pair[1] for pair in pairs]).max().item()) if pairs else 0
        longest = max(longest, *(counts[1] for counts in hosts), 0)
        for pair in pairs:
            pair[1].copy_(pair[0])
        for counts in hosts:
            counts[1] = counts[0]
        return longest

    def state(self, optimizer: torch.optim.Optimizer) -> tuple[int, int]:
        """How many in a row up to now, and the most since the last reading, which this is not; waits for the device."""
        pair = self._counts.get(optimizer)
        run, longest = self._host.get(optimizer, [0, 0]) if pair is None else torch.stack(pair).tolist()
        return int(run), int(longest)

    def restore(self, optimizer: torch.optim.Optimizer, run: int, longest: int, device: torch.device) -> None:
        """Go on from a state of before, such as another process's."""
        if device.type == "cpu":
            self._host[optimizer] = [run, longest]
        else:
            both = torch.tensor([float(run), float(longest)], device=device)
            self._counts[optimizer] = (both[0].clone(), both[1].clone())


@torch.no_grad()
def non_finite(gradients: Sequence[Tensor]) -> Tensor | bool:
    """Whether any value is infinite or not a number: 1.0 or 0.0 on the device, or a bool on a CPU."""
    filled = [gradient for gradient in gradients if gradient.numel()]
    if gradients[0].device.type == "cpu":
        return _non_finite_here(filled)
    if not filled:
        return torch.zeros((), device=gradients[0].device)
    return non_finite_there(filled)


@torch.no_grad()
def non_finite_there(gradients: Sequence[Tensor]) -> Tensor:
    """1.0 when any value is infinite or not a number, else 0.0, on the device; no gradient may be empty."""
    largest = nn.utils.get_total_norm(gradients, math.inf)  # cannot overflow, unlike a sum
    return (largest - largest).ne(0).float()  # inf - inf and nan - nan are nan; fewer launches than isfinite


def _non_finite_here(gradients: Sequence[Tensor]) -> bool:
    if not gradients or math.isfinite(
        nn.utils.get_total_norm(gradients).item()
    ):  # several times faster than the largest
        return False
    return bool(non_finite_there(gradients))  # or did the sum of squares overflow?


def skipped(found: Tensor | bool, skip: Tensor) -> Tensor | bool:
    """Whether a step is left out: for a gradient that is not finite, or on purpose. Decided where `found` was."""
    return found or bool(skip) if isinstance(found, bool) else torch.maximum(found, skip.float())


def guarded_step(optimizer: torch.optim.Optimizer, found: Tensor | bool) -> None:
    """Step, or skip when `found`: on the device where the decision was made there and the optimiser can."""
    fused = getattr(optimizer, "_step_supports_amp_scaling", False)
    if fused:
        _fill_momentum(optimizer)
    if fused and isinstance(found, Tensor):
        optimizer.found_inf = found  # type: ignore[attr-defined]
        try:
            optimizer.step()
        finally:
            del optimizer.found_inf  # type: ignore[attr-defined]
    elif not bool(found):
        optimizer.step()


def _fill_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give fused SGD zeros as its first momentum.

    It would allocate its buffers in the first step, skipped or not, and leave them unset in a skipped one; and it fails
    when only some parameters have one yet. With zeros the first step is the same: momentum * 0 + gradient
    (`build_optimizer` does not fuse SGD with dampening).
    """
    if not isinstance(optimizer, torch.optim.SGD):
        return
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            state = optimizer.state[parameter]
            if parameter.grad is not None and state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
