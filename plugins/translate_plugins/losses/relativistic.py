"""Relativistic adversarial losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from translate_plugins.losses.nested import Nested, paired_total
from translate_plugins.losses.verdicts import to_chance, verdicts

_FORMS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "bce": lambda x: F.softplus(-x),  # -log sigmoid(x)
    "hinge": lambda x: F.relu(1 - x),
}

_CERTAIN: Final = {"bce": math.log(0.95 / 0.05), "hinge": 1.0}  # advantages that leave no doubt


class Relativistic:
    """Relativistic adversarial loss (Jolicoeur-Martineau 2018, arXiv 1807.00734).

    `paired` (section 4.1): the discriminator wants D(real) above D(fake), E h(D(real) - D(fake)) with h(x) = -log
    sigmoid(x); the generator the reverse. `average` (section 4.2): each is compared with the mean of the other kind, E
    h(D(real) - mean D(fake)) + E h(mean D(real) - D(fake)); the generator the reverse. Means are over examples and
    patches; no 1/2 in front, as in the paper's equations. Nested outputs are summed over scales. Both sides evaluate
    D(real).

    Args:
        mode: Compare with the other kind's mean, or pair real and fake examples one by one.
        form: h: `bce` as above, or `hinge`, max(0, 1 - x), as in MSG-GAN's code.
    """

    expects_logits = True

    def __init__(
        self, *, mode: Literal["average", "paired"] = "average", form: Literal["bce", "hinge"] = "bce"
    ) -> None:
        self.average = mode == "average"
        self.h = _FORMS[form]
        self.margin = _CERTAIN[form]

    def discriminator(self, real: Nested, fake: Nested) -> Tensor:
        """Real above fake."""
        return paired_total(real, fake, self._above)

    def measured(self, real: Nested, fake: Nested) -> dict[str, Tensor]:
        """How often the discriminator is right: real examples above the mean of fakes, and the reverse."""
        chance = float(self.h(torch.zeros(()))) * (2 if self.average else 1)
        return verdicts(real, fake, margin=self.margin) | to_chance(self.discriminator(real, fake), chance, real)

    def generator(self, real: Nested, fake: Nested) -> Tensor:
        """Fake above real."""
        return paired_total(fake, real, self._above)

    def _above(self, upper: Tensor, lower: Tensor) -> Tensor:
        if self.average:
            return self.h(upper - lower.mean()) + self.h(upper.mean() - lower)
        return self.h(upper - lower)
