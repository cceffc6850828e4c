"""Equalised learning rate."""

from __future__ import annotations

import math
from typing import Annotated, Final

from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils import parametrize

from translate_plugins.parametrizations.covering import all_weights

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, nn.Linear)

_HE: Final = math.sqrt(2.0)

Above0 = Annotated[float, Field(gt=0)]


class Times(nn.Module):
    """What a layer computes with: its stored numbers times a constant.

    Args:
        factor: The constant.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, stored: Tensor) -> Tensor:
        """From the stored numbers to those of the layer."""
        return stored * self.factor

    def right_inverse(self, value: Tensor) -> Tensor:
        """From the layer's numbers to those that are stored."""
        return value / self.factor

    def extra_repr(self) -> str:
        """Shown in the network's listing."""
        return f"{self.factor:g}"


def equalised(network: nn.Module, /, *, gain: Above0 = _HE, lr_multiplier: Above0 = 1.0) -> nn.Module:
    """Equalised learning rate (Karras et al. 2017, arXiv 1710.10196, section 4.1): He's constant at run time.

    Every convolution, transposed convolution and dense layer stores weights that are drawn from N(0, 1) and computes
    with them times gain / sqrt(fan_in), so that an optimiser that scales its steps, as Adam does, moves all of them
    equally fast. At the start the layer is one with He's initialisation. Biases start at 0. As in `G: {generator:
    progressive, weights: equalised}`; the initial weights that the network's own choices ask for are replaced.

    With a multiplier (Karras et al. 2018, arXiv 1812.04948, appendix C, mapping network: 0.01) weights are stored as
    N(0, 1 / lr_multiplier) and biases divided by it, and both are multiplied by it at run time: the same layer at the
    start, which learns slower by that factor. The fan-in of a transposed convolution is the number of weights that
    reach one output, kernel^2 x channels / stride^2. Where the authors' code has a gain of 1 (behind the last
    activation) this has `gain`, as the paper says. Outside training the weights are stored as they are. For other
    weights, such as those of embeddings and LSTM cells, the papers have no constant: a network with such is refused.

    Args:
        network: Changed in place and returned.
        gain: Numerator of He's constant; sqrt(2) in the paper, for ReLU and LeakyReLU.
        lr_multiplier: Factor of the learning rate of weights and biases; 1 in ProGAN.

    Raises:
        ComponentError: The network has no weights, or some of other layers.
    """
    fix = "it takes convolutions and dense layers; leave `weights` out for this network"
    for module, _ in all_weights("equalised", network, _covers, fix=fix):
        factor = gain * lr_multiplier / math.sqrt(_fan_in(module))
        parametrize.register_parametrization(module, "weight", Times(factor))
        nn.init.normal_(module.parametrizations.weight.original, 0.0, 1.0 / lr_multiplier)
        if module.bias is None:
            continue
        nn.init.zeros_(module.bias)
        if lr_multiplier != 1.0:
            parametrize.register_parametrization(module, "bias", Times(lr_multiplier))
    return network


def _covers(module: nn.Module, weight: str) -> bool:
    return isinstance(module, _LAYERS) and weight == "weight"


def _fan_in(layer: nn.Module) -> float:
    """The number of weights that reach one output of a layer; of a transposed convolution, on average."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    if isinstance(layer, _TRANSPOSED):
        return weight.shape[0] // layer.groups * math.prod(weight.shape[2:]) / math.prod(layer.stride)
    return math.prod(weight.shape[1:])
