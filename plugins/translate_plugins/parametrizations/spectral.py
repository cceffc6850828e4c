"""Spectral normalisation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn
from torch.nn.utils import parametrizations

from translate import marked
from translate_plugins.parametrizations.covering import all_weights


@marked(bounds_weights=True)
def spectral(network: nn.Module, /, *, iterations: Annotated[int, Field(ge=1)] = 1) -> nn.Module:
    """Spectral normalisation (Miyato et al. 2018, arXiv 1802.05957, section 2): weights of norm 1.

    Every weight of a network is divided by its largest singular value, whatever layer it is of: convolutions, dense
    layers, embeddings, LSTM cells, the T of minibatch discrimination; as in `D: {discriminator: patchgan, weights:
    spectral}`. Learned scales of normalisations stay as they are. The singular value is estimated by power iteration,
    `iterations` of them at each training forward, as torch does; its vectors are part of the checkpoint, and outside
    training the weights are stored as they are. The weight of a convolution is seen as a matrix of output channels x
    the rest, as in the paper (section 3), which bounds the layer's slope only up to the overlap of its patches; that of
    an LSTM cell as one matrix of all four gates.

    Args:
        network: Changed in place and returned.
        iterations: Power iterations at each forward; 1 in the paper.

    Raises:
        ComponentError: The network has no weights, or some that torch cannot parametrise.
    """
    fix = "write the network with cells or other layers, or leave `weights` out for it"
    for module, name in all_weights("spectral", network, _covers, fix=fix):
        # On the meta device only shapes count, and they stay; power iterations there take seconds in a large network.
        if not getattr(module, name).is_meta:
            parametrizations.spectral_norm(module, name, n_power_iterations=iterations)
    return network


def _covers(module: nn.Module, _weight: str) -> bool:
    return not isinstance(module, nn.RNNBase)  # it computes with a list of its numbers as they were when it was made
