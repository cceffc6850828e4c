"""How often a discriminator is right, and how sure: what adversarial losses measure beside their own value."""

from __future__ import annotations

import torch
from torch import Tensor

from translate_plugins.losses.nested import Nested, leaves, precise


def verdicts(
    real: Nested, fake: Nested, *, boundary: float | None = None, margin: float | None = None, rising: bool = True
) -> dict[str, Tensor]:
    """The share of right answers, the share that leaves no doubt, and the mean output, on real and fake examples.

    Every output counts by itself, of a patch discriminator every cell; nested outputs are averaged over scales. An
    output on the boundary is half right, so that a discriminator which always says the same is right half the time.

    Args:
        real: Outputs for real examples.
        fake: Outputs for fakes.
        boundary: Outputs beyond it mean "real". None = the mean output for the other kind: a critic's outputs have no
            zero, only their differences mean something.
        margin: From this distance beyond the boundary an answer leaves no doubt. None = the outputs have no unit.
        rising: Whether real examples have the larger outputs.

    Returns:
        `accuracy_real`, `accuracy_fake`, `score_real`, `score_fake`, and with a margin `certain`: 0-d float32 tensors.
    """
    sign = 1.0 if rising else -1.0
    both = zip(leaves(real), leaves(fake), strict=False)  # looking must not end a training that the loss allows
    pairs = [(precise(a.detach()), precise(b.detach())) for a, b in both]
    ahead_real = [sign * (a - (b.mean() if boundary is None else boundary)) for a, b in pairs]
    ahead_fake = [sign * ((a.mean() if boundary is None else boundary) - b) for a, b in pairs]
    found = {
        "accuracy_real": _mean([0.5 * (1 + ahead.sign()) for ahead in ahead_real]),
        "accuracy_fake": _mean([0.5 * (1 + ahead.sign()) for ahead in ahead_fake]),
        "score_real": _mean([a for a, _ in pairs]),
        "score_fake": _mean([b for _, b in pairs]),
    }
    if margin is not None:
        found["certain"] = _mean([(ahead >= margin).float() for ahead in (*ahead_real, *ahead_fake)])
    return found


def to_chance(loss: Tensor, one_scale: float, real: Nested) -> dict[str, Tensor]:
    """A discriminator's loss in units of what it costs to always say the same: above 1 it is worse than that.

    Args:
        loss: Its value, without noise on the labels.
        one_scale: What the best constant costs, for one tensor of outputs.
        real: The outputs, whose tensors are counted.
    """
    return {"to_chance": loss.detach() / (one_scale * len(list(leaves(real))))}


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack([value.mean() for value in values]).mean()
