"""Diagonal Gaussian codes: means, then as many log variances. What the operations, losses and metrics of them share."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError


def halved(
    code: Tensor,
    *,
    problem: str = "a code holds as many log variances as means on dimension 1",
    fix: str = "let the encoder make twice the code's size",
    examples: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Both halves of a code along dimension 1: its means and its log variances.

    Args:
        code: N x 2k; further dimensions stay.
        problem: What is said of a code that has no halves.
        fix: What its user can do.
        examples: How many examples it must have; null takes any number.

    Raises:
        ComponentError: Dimension 1 is odd or missing, or there are other examples.
    """
    if code.ndim < 2 or code.shape[1] % 2 or (examples is not None and len(code) != examples):
        raise ComponentError(f"{problem} (got {tuple(code.shape)})", fix=fix)
    mean, log_variance = code.chunk(2, dim=1)
    return mean, log_variance


def sample_of(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A sample as a function of N(0, 1) noise (Kingma & Welling 2013, arXiv 1312.6114, section 2.4)."""
    return mean + (0.5 * log_variance).exp() * noise


def divergence_of(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Nats from N(0, 1) of each number of a code (Kingma & Welling 2013, arXiv 1312.6114, appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1)
