"""Least-squares adversarial loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from translate_plugins.losses.labels import labels
from translate_plugins.losses.nested import Nested, total
from translate_plugins.losses.verdicts import to_chance, verdicts


class LeastSquares:
    """Least-squares adversarial loss (Mao et al. 2017, arXiv 1611.04076, equation 2).

    Discriminator: 1/2 E(D(real) - b)^2 + 1/2 E(D(fake) - a)^2. Generator: 1/2 E(D(fake) - c)^2. The discriminator's
    output is linear. (a, b, c) = (-1, 1, 0) minimises the Pearson chi-square divergence. One-sided label smoothing
    (Salimans et al. 2016) is b: 0.9. Nested outputs are summed over scales.

    With `label_noise` w, every output of the discriminator has a label of its own in each call, moved from a and b
    towards the other by w u, u ~ U(0, 1) from torch's global generator, as in `bce`.

    Args:
        a: What the discriminator should say of fakes.
        b: What it should say of real examples.
        c: What the generator wants it to say of fakes.
        label_noise: Width of uniform noise on the labels, in their unit, on the discriminator's side only.
        halve_generator: Keep the 1/2 on the generator's side. false is CycleGAN's form (Zhu et al. 2017, section 4),
            where only the discriminator's side is halved, so that weights beside it mean the same.
    """

    label_choices = ("a", "b", "c")
    side_choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "discriminators": ("a", "b", "label_noise"),
        "generators": ("c", "halve_generator"),
    }

    def __init__(
        self,
        *,
        a: float = 0.0,
        b: float = 1.0,
        c: float = 1.0,
        label_noise: Annotated[float, Field(ge=0)] = 0.0,
        halve_generator: bool = True,
    ) -> None:
        self.a, self.b, self.c = a, b, c
        self.noise = math.copysign(label_noise, b - a)
        self.generator_scale = 0.5 if halve_generator else 1.0

    def discriminator(self, real: Nested, fake: Nested) -> Tensor:
        """Real outputs to b, fake outputs to a."""
        return 0.5 * (_squares(real, self.b, -self.noise) + _squares(fake, self.a, self.noise))

    def measured(self, real: Nested, fake: Nested) -> dict[str, Tensor]:
        """How often the discriminator is right: on the right side of the middle between `a` and `b`."""
        between = abs(self.b - self.a)
        loss = 0.5 * (_squares(real, self.b) + _squares(fake, self.a))
        found = verdicts(real, fake, boundary=0.5 * (self.a + self.b), margin=0.4 * between, rising=self.b >= self.a)
        return found | (to_chance(loss, 0.25 * between**2, real) if between else {})

    def generator(self, fake: Nested) -> Tensor:
        """Fake outputs to c."""
        return self.generator_scale * _squares(fake, self.c)


def _squares(outputs: Nested, label: float, noise: float = 0.0) -> Tensor:
    return total(outputs, lambda x: (x - labels(x, label, noise)).square())
