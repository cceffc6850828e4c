"""Frechet distance between two sets of features."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from translate_plugins.metrics.resampling import Weights, resampled_interval

RESAMPLES: Final = 200

Moments = tuple[Tensor, Tensor]


def moments(features: Tensor, weights: Weights | None = None) -> Moments:
    """Mean and covariance (divided by n - 1) of features.

    Args:
        features: N x size in float64, at least two.
        weights: How often each example counts; once where not given.

    Shape:
        size, and size x size.
    """
    often = torch.ones(len(features), dtype=features.dtype) if weights is None else torch.from_numpy(weights)
    total = float(often.sum())
    mean = often @ features / total
    centred = features - mean
    return mean, (centred * often[:, None]).T @ centred / (total - 1)


def distance_of_moments(first: Moments, second: Moments) -> float:
    """Squared Frechet distance of two normal distributions (Dowson and Landau 1982).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The trace of the root is the sum of the roots of the eigenvalues of
    C1^(1/2) C2 C1^(1/2), which is symmetric, so that singular covariances (few examples, constant features) are no
    trouble.
    """
    (mean1, cov1), (mean2, cov2) = first, second
    values, vectors = torch.linalg.eigh(cov1)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov2 @ root).clamp(min=0).sqrt().sum()
    return max(0.0, float((mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross))


def frechet_distance(of: Tensor, to: Tensor) -> float:
    """Squared Frechet distance of the normal distributions fitted to two sets of features, as in FID.

    Args:
        of: N x size in float64.
        to: M x size in float64.
    """
    return distance_of_moments(moments(of), moments(to))


def frechet_interval(value: float, of: Tensor, to: Tensor) -> tuple[float, float] | None:
    """95 % interval of the distance, not below 0; both sets are resampled, 200 times."""

    def statistic(first: Weights, second: Weights) -> float:
        return distance_of_moments(moments(of, first), moments(to, second))

    ends = resampled_interval(value, statistic, (len(of), len(to)), resamples=RESAMPLES)
    return None if ends is None else (max(0.0, ends[0]), ends[1])
