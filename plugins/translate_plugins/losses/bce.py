"""Binary cross-entropy on logits: the adversarial loss of the first GANs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate_plugins.losses.labels import labels
from translate_plugins.losses.nested import Nested, total
from translate_plugins.losses.verdicts import to_chance, verdicts

_CERTAIN: Final = math.log(0.95 / 0.05)  # a logit


class BinaryCrossEntropy:
    """Adversarial loss on logits (Goodfellow et al. 2014, arXiv 1406.2661, equation 1 and section 3).

    Discriminator: -E log D(real) - E log(1 - D(fake)), halved as pix2pix does (Isola et al. 2016, section 3.3: "divide
    the objective by 2 while optimizing D"). Generator: -E log D(fake), or E log(1 - D(fake)) with `minimax`. D is the
    sigmoid of the logits, which is part of this loss: the discriminator must not end in one. Nested logits are summed
    over scales.

    With `label_noise` w, every output of the discriminator has a label of its own in each call: 1 - smoothing - w u for
    real, w u for fake examples, u ~ U(0, 1) from torch's global generator. So the best D is that of labels shifted by
    w / 2 each. The deep-learning textbook that the technique comes from (Chollet 2017, section 8.5; w = 0.05) moves
    both labels the same way, one of them out of [0, 1], where the cross-entropy has no minimum; here both move inwards.

    Args:
        minimax: The generator minimises E log(1 - D(fake)), equation 1 as it stands, whose gradient vanishes where the
            discriminator is sure; at logit -6 it is 0.0025 against 0.9975.
        smoothing: One-sided label smoothing (Salimans et al. 2016): the real label is 1 - smoothing, the fake label
            stays 0.
        label_noise: Width of uniform noise on the labels, on the discriminator's side only; 0.05 in the textbook.
        halve: Halve the discriminator's side. false is the sum of equation 1.
    """

    expects_logits = True
    side_choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "discriminators": ("smoothing", "label_noise", "halve"),
        "generators": ("minimax",),
    }

    def __init__(
        self,
        *,
        minimax: bool = False,
        smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0,
        label_noise: Annotated[float, Field(ge=0, le=0.5)] = 0.0,
        halve: bool = True,
    ) -> None:
        self.minimax = minimax
        self.real_label = 1.0 - smoothing
        self.noise = label_noise
        self.scale = 0.5 if halve else 1.0

    def discriminator(self, real: Nested, fake: Nested) -> Tensor:
        """Real logits to the real label, fake logits to 0."""
        return self.scale * (_cross_entropy(real, self.real_label, -self.noise) + _cross_entropy(fake, 0.0, self.noise))

    def measured(self, real: Nested, fake: Nested) -> dict[str, Tensor]:
        """How often the discriminator is right (on the right side of half the real label), and sure by 95 %."""
        half = math.log(self.real_label / (2 - self.real_label))
        loss = _cross_entropy(real, self.real_label) + _cross_entropy(fake, 0.0)
        found = verdicts(real, fake, boundary=half, margin=_CERTAIN)
        return found | to_chance(loss, 2 * _entropy(self.real_label / 2), real)

    def generator(self, fake: Nested) -> Tensor:
        """Fake logits to 1, or away from 0."""
        return -_cross_entropy(fake, 0.0) if self.minimax else _cross_entropy(fake, 1.0)


def _entropy(share: float) -> float:
    """Of an event with this probability, in nats."""
    return -share * math.log(share) - (1 - share) * math.log(1 - share)


def _cross_entropy(logits: Nested, label: float, noise: float = 0.0) -> Tensor:
    return total(logits, lambda x: F.binary_cross_entropy_with_logits(x, labels(x, label, noise)))
