"""A sample of a Gaussian code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from translate_plugins.gaussian_codes import halved, sample_of


class SampleCode(nn.Module):
    """Draw from a diagonal Gaussian code by reparameterisation (Kingma & Welling 2013, arXiv 1312.6114, section 2.4).

    mean + exp(log variance / 2) x eps, where eps ~ N(0, 1) is new at each call, from torch's global generator. The
    gradient reaches both halves of the code. Outside of training it gives the mean.

    Shape:
        N x 2k -> N x k, or N x 2k x H x W -> N x k x H x W: means, then log variances, as `kl` takes them.

    >>> SampleCode()(torch.zeros(4, 16)).shape
    torch.Size([4, 8])
    """

    def __init__(self) -> None:
        super().__init__()

    def forward(self, code: Tensor, /) -> Tensor:
        """Draw one sample for each example.

        Raises:
            ComponentError: The code cannot be halved into means and log variances.
        """
        mean, log_variance = halved(code)
        return sample_of(mean, log_variance, torch.randn_like(mean)) if self.training else mean
