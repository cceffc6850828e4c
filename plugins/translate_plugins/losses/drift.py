"""Drift penalty of a critic."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.nested import Nested, total


class Drift:
    """Drift penalty (Karras et al. 2017, arXiv 1710.10196, appendix A.1): E D(real)^2.

    A Wasserstein critic is defined up to a constant, which may grow without bound; this keeps it near zero. Counts on
    the discriminator's side only; the weight is the paper's epsilon: `{loss: drift, of: D(real), weight: 0.001}`.
    Nested outputs are summed over scales.
    """

    def discriminator(self, of: Nested) -> Tensor:
        """The penalty for the critic's outputs on real examples."""
        return total(of, lambda x: x.square())
