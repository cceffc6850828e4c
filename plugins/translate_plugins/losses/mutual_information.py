"""Mutual information between a latent code and what was made of it, bounded from below."""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate import marked
from translate.errors import ComponentError
from translate_plugins.losses.nested import precise

Code = Literal["categorical", "continuous"]
Std = Annotated[float, Field(gt=0)] | Literal["learned"]
Entropy = Annotated[float, Field(allow_inf_nan=False)] | None

_UNIFORM: Final = math.log(2.0)  # entropy of U(-1, 1), the law of InfoGAN's continuous codes


@marked(is_maximised=True, expects_logits=True)
def mutual_information(
    of: Tensor, to: Tensor, *, code: Code = "categorical", std: Std = 1.0, entropy: Entropy = None
) -> Tensor:
    """Lower bound of the mutual information I(c; G(z, c)) of InfoGAN (Chen et al. 2016, arXiv 1606.03657, equation 5).

    L = E log Q(c | G(z, c)) + H(c), in nats, which is raised: a turn's sum of losses takes it with a minus, and
    `weight` is the paper's lambda. It counts on both sides, so that G, Q and the trunk that Q shares with D learn from
    it, each in its own turn and by its own optimiser, as in the authors' code. What is logged is the bound itself.

    - `categorical`: Q's logits, with the softmax inside. Log Q is never above 0, so the bound is at most H(c) = ln K,
      2.30 for ten classes. This is H(c) minus the cross-entropy.
    - `continuous`: a Gaussian whose means Q gives. Its log density may be above 0, so that a small `std` has no such
      cap; with the standard deviation fixed at 1, as in the authors' code, the bound of a code from U(-1, 1) is at most
      ln 2 - ln(2 pi) / 2 = -0.23 for each number, however well the code is found, and its gradient is that of half the
      squared error.

    Args:
        of: What Q says of the code: logits, or means; with `std: learned` means, then as many logarithms of variances,
            on dimension 1, as `kl` and `halves` have them.
        to: The code that was drawn: one-hot vectors or labels; or the numbers.
        code: `categorical` or `continuous`.
        std: Standard deviation of a continuous code's Gaussian: fixed, 1 in the authors' code, or `learned`.
        entropy: H(c) in nats, which shifts the logged value and no gradient. Null is that of the paper's laws: ln K for
            K classes that are equally likely, ln 2 for each number from U(-1, 1).

    Shape:
        N x K against N x K or N (int64); N x k (N x 2k with `learned`) against N x k -> a 0-d tensor.

    Raises:
        ComponentError: The shapes do not fit.
    """
    return bounds(of, to, code=code, std=std, entropy=entropy).mean()


def bounds(of: Tensor, to: Tensor, *, code: Code, std: Std, entropy: Entropy) -> Tensor:
    """Log Q(c | x) + H(c) of each example, N; see `mutual_information`."""
    if code == "categorical":
        return _categorical(precise(of), to, entropy)
    return _continuous(precise(of), to, std, entropy)


def _categorical(logits: Tensor, to: Tensor, entropy: Entropy) -> Tensor:
    one_hot = to.is_floating_point()
    if logits.ndim != 2 or tuple(to.shape) != (tuple(logits.shape) if one_hot else tuple(logits.shape[:1])):
        raise _misfit("a categorical code is found by one logit for each class", logits, to)
    likelihood = -F.cross_entropy(logits, to.to(logits.dtype) if one_hot else to, reduction="none")
    return likelihood + (math.log(logits.shape[1]) if entropy is None else entropy)


def _continuous(found: Tensor, to: Tensor, std: Std, entropy: Entropy) -> Tensor:
    size = to.shape[1] if to.ndim == 2 else 0
    if not size or tuple(found.shape) != (len(to), 2 * size if std == "learned" else size):
        wanted = "a mean and a log variance" if std == "learned" else "a mean"
        raise _misfit(f"a continuous code is found by {wanted} for each of its numbers", found, to)
    if std == "learned":
        mean, log_variance = found.chunk(2, dim=1)
        terms = (to - mean).square() * (-log_variance).exp() + log_variance
    else:
        terms = (to - found).square() / std**2 + 2 * math.log(std)
    # Summed over the code's numbers, which are dimension 1: one log density for each example.
    likelihood = -0.5 * (terms + math.log(2 * math.pi)).sum(1)
    return likelihood + (size * _UNIFORM if entropy is None else entropy)


def _misfit(what: str, found: Tensor, to: Tensor) -> ComponentError:
    return ComponentError(
        f"mutual_information: {what} (got {tuple(found.shape)} for a code of {tuple(to.shape)})",
        fix="give Q a head with `makes: CODE` and `fc*`, and say which `code` it is: categorical or continuous",
    )
