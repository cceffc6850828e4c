"""Hinge adversarial loss."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from translate_plugins.losses.nested import Nested, total
from translate_plugins.losses.verdicts import to_chance, verdicts


class Hinge:
    """Hinge adversarial loss (Lim & Ye 2017, arXiv 1705.02894).

    Discriminator: E max(0, 1 - D(real)) + E max(0, 1 + D(fake)). Generator: -E D(fake). The discriminator's output is
    linear: a sigmoid could never pass below -1. Nested outputs are summed over scales.
    """

    expects_logits = True

    def discriminator(self, real: Nested, fake: Nested) -> Tensor:
        """Real outputs above 1, fake outputs below -1; beyond that no gradient."""
        return total(real, lambda x: F.relu(1 - x)) + total(fake, lambda x: F.relu(1 + x))

    def measured(self, real: Nested, fake: Nested) -> dict[str, Tensor]:
        """How often the critic is right: real examples above the mean of fakes, and the reverse."""
        return verdicts(real, fake, margin=2.0) | to_chance(self.discriminator(real, fake), 2.0, real)

    def generator(self, fake: Nested) -> Tensor:
        """Fake outputs up."""
        return -total(fake, lambda x: x)
