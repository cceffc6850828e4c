"""R1 gradient penalty."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.gradients import input_gradients
from translate_plugins.losses.nested import Nested


class R1:
    """R1 penalty (Mescheder et al. 2018, arXiv 1801.04406, equation 9): 1/2 E ||grad D(real)||_2^2.

    Counts on the discriminator's side only. The weight is the paper's gamma (10 there): the 1/2 of gamma / 2 stands in
    this term. Use it with `leaf`: `{loss: r1, of: D(point), at: point, weight: 10}` where `point: leaf(real)`. The
    squared norm is taken for each example, in float32. For a discriminator with many outputs D(real) is their mean,
    where the paper has one.
    """

    is_penalty = True

    def discriminator(self, of: Nested, at: Nested) -> Tensor:
        """The penalty for the discriminator's outputs `of` at the real examples `at`."""
        return 0.5 * input_gradients(of, at).square().sum(1).mean()
