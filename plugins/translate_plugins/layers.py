"""Pieces that the networks share: normalisation, padding, output activation, initialisation, checks of inputs.

Everything that two networks must agree on stands here once; a network's file holds only its own shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Image, Spec
from translate.errors import ComponentError

Norm = Literal["batch", "instance", "layer", "none"]
Output = Literal["tanh", "sigmoid", "linear"]
Width = Annotated[int, Field(ge=1)]
InitStd = Annotated[float, Field(gt=0)]

M = TypeVar("M", bound=nn.Module)

_RANGES: dict[str, tuple[float, float]] = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


class ReflectionPad(nn.Module):
    """Reflect the borders of an image without repeating the edge, with a gradient that is the same in every run.

    Equals `torch.nn.functional.pad(..., mode="reflect")` exactly. That one's gradient is summed in a varying order on
    CUDA; this one is made of slices, flips and concatenations, whose gradients are deterministic everywhere.

    Args:
        size: Pixels added on each of the four sides; must be smaller than height and width.

    Shape:
        N x C x H x W -> N x C x (H + 2 size) x (W + 2 size).

    >>> ReflectionPad(1)(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))[0, 0, 0].tolist()
    [4.0, 3.0, 4.0, 3.0]
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Pad height, then width."""
        p = self.size
        x = torch.cat([x[:, :, 1 : p + 1].flip(2), x, x[:, :, -p - 1 : -1].flip(2)], dim=2)
        return torch.cat([x[..., 1 : p + 1].flip(3), x, x[..., -p - 1 : -1].flip(3)], dim=3)

    def extra_repr(self) -> str:
        """Shown in the network's listing."""
        return str(self.size)


def norm_layers(norm: Norm, channels: int) -> list[nn.Module]:
    """The normalisation of one block: a list of one module, or of none.

    `layer` is one group over all channels and positions of an example. `instance` has no scale and shift of its own, as
    in the CycleGAN authors' code.
    """
    match norm:
        case "batch":
            return [nn.BatchNorm2d(channels)]
        case "instance":
            return [nn.InstanceNorm2d(channels)]
        case "layer":
            return [nn.GroupNorm(1, channels)]
        case "none":
            return []


def needs_bias(norm: Norm) -> bool:
    """Whether a convolution before this normalisation needs a bias; `batch` and `instance` cancel it exactly."""
    return norm in {"layer", "none"}


def output_activation(makes: Image, output: Output | None) -> nn.Module:
    """The last activation of a generator, which must span exactly the value range of what it makes.

    Args:
        makes: Spec of the images to make.
        output: The user's choice; None takes the one that fits the range.

    Raises:
        ComponentError: The choice does not fit the range, or no bounded activation does and none was chosen.
    """
    span = (makes.low, makes.high)
    fitting = next((name for name, spans in _RANGES.items() if spans == span), None)
    chosen = output or fitting
    if chosen is None:
        raise ComponentError(
            f"no output activation spans [{makes.low:g}, {makes.high:g}], the range of {makes}",
            fix="set the data's value range to [-1, 1] (tanh) or [0, 1] (sigmoid), or write `output: linear`",
        )
    if chosen != "linear" and _RANGES[chosen] != span:
        low, high = _RANGES[chosen]
        raise ComponentError(
            f"output is '{chosen}', which makes values in [{low:g}, {high:g}], but {makes} was asked for",
            fix=f"write `output: {fitting or 'linear'}`, or leave it out",
        )
    return {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "linear": nn.Identity}[chosen]()


def joined_size(network: str, inputs: Sequence[Spec]) -> tuple[int, int, int]:
    """Channels, height and width of a network's inputs joined on their channels.

    Any spec of the form channels x height x width will do, so that a latent image can join a picture.

    Raises:
        ComponentError: No input, an input that is no image, or inputs of different sizes.
    """
    if not inputs:
        raise ComponentError(f"{network} needs at least one image (got none)", fix="call it as G(source)")
    for number, spec in enumerate(inputs, 1):
        if len(spec.shape) != 3:
            raise ComponentError(
                f"{network} takes images, but its input {number} is {spec}",
                fix="join a vector to an image with concat(image, vector), and pass the result",
            )
    sizes = {spec.shape[1:] for spec in inputs}
    if len(sizes) > 1:
        listing = ", ".join(f"{h}x{w}" for h, w in (spec.shape[1:] for spec in inputs))
        raise ComponentError(
            f"{network} joins its inputs on their channels, but their sizes differ ({listing})",
            fix="bring them to one size with resize(image, size=...)",
        )
    _, height, width = inputs[0].shape
    return sum(spec.shape[0] for spec in inputs), height, width


def check_makes(network: str, makes: Image, size: tuple[int, int]) -> None:
    """Refuse to make images of another size than the inputs', or something that is no image.

    Raises:
        ComponentError: `makes` is no image or has another size than `size`.
    """
    if not isinstance(makes, Image):
        raise ComponentError(f"{network} makes images, but `makes` is {makes}", fix="name an image field")
    if (makes.height, makes.width) != size:
        raise ComponentError(
            f"{network} keeps the size of its input, {size[0]}x{size[1]}, but `makes` is {makes}",
            fix="resize one of them, or use a generator that changes the size",
        )


def join(inputs: Sequence[Tensor]) -> Tensor:
    """Concatenate on the channels; a single input passes as it is."""
    return inputs[0] if len(inputs) == 1 else torch.cat(list(inputs), dim=1)


def initialise(network: M, std: float) -> M:
    """Draw all weights of a network: the initialisation of DCGAN (Radford et al. 2015, arXiv 1511.06434), section 3.

    Weights of convolutions and dense layers N(0, std), scales of normalisations N(1, std), biases 0. The scales follow
    the authors' code; the paper says only "zero-centered Normal distribution with standard deviation 0.02".

    Args:
        network: Changed in place and returned. May be on the meta device.
        std: Standard deviation; 0.02 in DCGAN, pix2pix and CycleGAN.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
