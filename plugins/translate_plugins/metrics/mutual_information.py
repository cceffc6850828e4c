"""Mutual information between a code and what was made of it, over a set."""

from __future__ import annotations

from torch import Tensor

from translate_plugins.losses.mutual_information import Code, Entropy, Std, bounds


def mutual_information(
    of: Tensor, to: Tensor, *, code: Code = "categorical", std: Std = 1.0, entropy: Entropy = None
) -> Tensor:
    """Lower bound of the mutual information of InfoGAN in nats, as the loss of this name has it; more is better.

    Of each example log Q(c | x) + H(c) (Chen et al. 2016, arXiv 1606.03657, equation 5), whose mean is the bound: at
    most ln K for a categorical code of K classes.

    Args:
        of: What Q says of the code of a made picture: logits, or means (and log variances).
        to: The code that was drawn.
        code: `categorical` or `continuous`.
        std: Standard deviation of a continuous code's Gaussian, or `learned`.
        entropy: H(c) in nats; null is ln K for a categorical code, ln 2 for each number of a continuous one.

    Shape:
        N x K against N x K or N; N x k (N x 2k) against N x k -> N.

    Raises:
        ComponentError: The shapes do not fit.
    """
    return bounds(of, to, code=code, std=std, entropy=entropy)
