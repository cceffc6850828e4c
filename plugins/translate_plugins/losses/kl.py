"""Kullback-Leibler divergence of a Gaussian code."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from translate_plugins.gaussian_codes import divergence_of, halved
from translate_plugins.losses.nested import Nested, total


def kl(
    of: Nested, *, variance: Literal["learned", "unit"] = "learned", reduce: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """Divergence of a Gaussian code from N(0, 1), in nats (Kingma & Welling 2013, arXiv 1312.6114, appendix B).

    1/2 sum(mu^2 + sigma^2 - log sigma^2 - 1), summed over the code and averaged over the examples. It is 0 for mean 0
    and variance 1. Nested codes are summed.

    Args:
        of: The code: means, then as many logarithms of variances, on dimension 1, as `sample_code` takes it. With
            `unit`: means alone.
        variance: `unit` holds the variance at 1, so that 1/2 sum(mu^2) is left, as in UNIT (Liu et al. 2017, arXiv
            1703.00848).
        reduce: `mean` averages over the code instead, so that a weight does not depend on the size of a map. UNIT's
            authors' code is twice that of `unit` and `mean`: it leaves the 1/2 out.

    Shape:
        N x 2k or N x 2k x H x W (N x k ... with `unit`) -> a 0-d tensor.

    Raises:
        ComponentError: The code cannot be halved into means and log variances.
    """
    terms = _from_unit if variance == "unit" else _from_learned
    return total(of, terms if reduce == "mean" else lambda code: terms(code).flatten(1).sum(1))


def _from_learned(code: Tensor) -> Tensor:
    fix = "let the encoder make twice the code's size, or write `variance: unit`"
    return divergence_of(*halved(code, fix=fix))


def _from_unit(mean: Tensor) -> Tensor:
    return 0.5 * mean.square()
