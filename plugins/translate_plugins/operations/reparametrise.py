"""A sample of a Gaussian code that is made of given noise."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.gaussian_codes import halved, sample_of


def reparametrise(code: Tensor, noise: Tensor, /) -> Tensor:
    """A sample of a Gaussian code as a function of noise (Kingma & Welling 2013, arXiv 1312.6114, section 2.4).

    mean + exp(log variance / 2) x noise, with N(0, 1) noise; the gradient reaches both halves of the code. As
    `sample_code`, but the noise is a latent of the pipeline: so it is drawn in an evaluation too, where the evidence
    lower bound needs a sample and not the mean, and an exported file can take it as an input.

    Args:
        code: Means, then log variances, on dimension 1, as `kl` takes them.
        noise: As large as the means.

    Shape:
        N x 2k, N x k -> N x k; further dimensions stay.

    Raises:
        ComponentError: The noise is not as large as half of the code.
    """
    if code.ndim < 2 or code.shape[1] != 2 * noise.shape[1]:
        raise ComponentError(
            f"reparametrise needs means, as many log variances, and as much noise (got {tuple(code.shape)} and noise "
            f"{tuple(noise.shape)})",
            fix="let the encoder make twice the size of the latent",
        )
    return sample_of(*halved(code), noise)
