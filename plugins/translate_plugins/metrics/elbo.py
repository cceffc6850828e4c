"""The evidence lower bound of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from translate_plugins.gaussian_codes import divergence_of, halved
from translate_plugins.metrics.checks import not_empty, same_shape


class Elbo:
    """Bound on the negative log likelihood of black and white pictures, in nats for each picture; smaller is better.

    `bound` is -ELBO = -log p(x | z) + KL(q(z | x) || N(0, 1)), an upper bound on -log p(x) where `of` was made from a
    sample of the code (`reparametrise` with a latent), and too good where it was made from the code's mean;
    `likelihood` is its first term and `kl` its second (Kingma & Welling 2013, arXiv 1312.6114, equation 3; for DRAW
    summed over the glimpses, Gregor et al. 2015, arXiv 1502.04623, equation 12). One sample for each picture.

    Probabilities are held within float32's distance from 0 and 1 (6e-8), so that no pixel costs more than 16.7 nats.
    """

    def __init__(self) -> None:
        self._likelihood: list[Tensor] = []
        self._divergence: list[Tensor] = []

    def update(self, of: Tensor, to: Tensor, code: Tensor) -> None:
        """Add a batch.

        Args:
            of: Probabilities of white, N x C x H x W.
            to: The pictures, of the same shape; black 0 and white 1.
            code: Means, then log variances, N x 2k, as the loss `kl` takes them.

        Raises:
            ComponentError: The shapes do not fit.
        """
        same_shape("elbo", of, to)
        mean, log_variance = halved(
            code.double(),
            problem=f"elbo takes means and as many log variances for each of {len(of)} examples",
            fix="give the code that `kl` takes",
            examples=len(of),
        )
        least = torch.finfo(torch.float32).eps / 2
        p, x = of.double().clamp(least, 1 - least), to.double()
        self._likelihood.append(-(x * p.log() + (1 - x) * (-p).log1p()).flatten(1).sum(1).cpu())
        self._divergence.append(divergence_of(mean, log_variance).flatten(1).sum(1).cpu())

    def compute(self) -> Mapping[str, Tensor]:
        """`bound`, `likelihood` and `kl` of each example.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("elbo", len(self._likelihood))
        likelihood, divergence = torch.cat(self._likelihood), torch.cat(self._divergence)
        return {"bound": likelihood + divergence, "likelihood": likelihood, "kl": divergence}
