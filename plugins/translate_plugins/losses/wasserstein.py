"""Wasserstein critic loss."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.nested import Nested, total
from translate_plugins.losses.verdicts import verdicts


class Wasserstein:
    """Wasserstein critic loss (Arjovsky et al. 2017, arXiv 1701.07875, equations 2 and 3).

    Critic: E f(fake) - E f(real), the negative of the distance's estimate. Generator: -E f(fake). Needs a critic that
    is kept Lipschitz: by `clip_weights` of the optimiser, as in the paper, by a `gradient_penalty`, never both, or by
    spectral normalisation. The critic's output is linear. Nested outputs are summed over scales.
    """

    expects_logits = True
    needs_constraint = True

    def discriminator(self, real: Nested, fake: Nested) -> Tensor:
        """Real outputs up, fake outputs down."""
        return total(fake, lambda x: x) - total(real, lambda x: x)

    def measured(self, real: Nested, fake: Nested) -> dict[str, Tensor]:
        """How often the critic is right: real examples above the mean of fakes, and the reverse."""
        return verdicts(real, fake)

    def generator(self, fake: Nested) -> Tensor:
        """Fake outputs up."""
        return -total(fake, lambda x: x)
