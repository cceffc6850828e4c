"""Spectral normalisation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn
from torch.nn.utils import parametrizations

from translate import marked

_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear, nn.Embedding)


@marked(bounds_weights=True)
def spectral(network: nn.Module, /, *, iterations: Annotated[int, Field(ge=1)] = 1) -> nn.Module:
    """Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957, section 2): weights of norm 1.

    Every weight is divided by its largest singular value: of all convolutions, transposed convolutions, dense layers
    and embeddings of any network, as in `D: {discriminator: patchgan, weights: spectral}`. The singular value is
    estimated by power iteration, `iterations` of them at each training forward, as torch does; its vectors are part of
    the checkpoint, and outside training the weights are stored as they are. The weight of a convolution is seen as a
    matrix of output channels x the rest, as in the paper (section 3), which bounds the layer's slope only up to the
    overlap of its patches.

    Args:
        network: Changed in place and returned.
        iterations: Power iterations at each forward; 1 in the paper.
    """
    for module in list(network.modules()):
        # On the meta device only shapes count, and they stay; power iterations there take seconds in a large network.
        if isinstance(module, _LAYERS) and not module.weight.is_meta:
            parametrizations.spectral_norm(module, n_power_iterations=iterations)
    return network
