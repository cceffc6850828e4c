"""Pieces that the networks share: normalisation, padding, output activation, initialisation, checks of inputs.

Everything that two networks must agree on stands here once; a network's file holds only its own shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate import Image, Label, Spec
from translate.errors import ComponentError

Norm = Literal["batch", "instance", "layer", "none"]
Output = Literal["tanh", "sigmoid", "linear"]
Width = Annotated[int, Field(ge=1)]
InitStd = Annotated[float, Field(gt=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]

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


class PixelNorm(nn.Module):
    """Scale the features of each pixel to a mean square of 1 (Karras et al. 2017, arXiv 1710.10196, section 4.2).

    x / sqrt(mean over channels of x^2 + 1e-8): nothing to learn, no batch, and the same in training and outside it. The
    mean is taken in float32, also where the features are half precision.

    Shape:
        N x C x ... -> the same; of vectors, each vector is one pixel.

    >>> PixelNorm()(torch.tensor([[3.0, 3.0, 3.0, 3.0]])).tolist()
    [[1.0, 1.0, 1.0, 1.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the root of the mean square."""
        y = x if x.dtype == torch.float64 else x.float()
        return (y * (y.square().mean(1, keepdim=True) + 1e-8).rsqrt()).to(x.dtype)


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


class Join(nn.Module):
    """Joins a network's inputs on their channels, whatever they are: the conditional form of every network.

    Images (and latent maps) stand as they are. A vector is repeated over height and width, a label becomes a one-hot
    vector first: the conditional DCGAN and the conditional CycleGAN. Where no input is an image, vectors and one-hot
    labels are joined as vectors.

    Args:
        network: Name for messages.
        inputs: Specs in the order of the call.
        images: Whether at least one image is needed.
        flat: Join everything as vectors, for a network that begins with a dense layer: images of any size, flattened.

    Shape:
        N x C_i x H x W, N x C_i and N (int64) -> N x channels x H x W, or N x channels without images and where `flat`.

    Raises:
        ComponentError: No input, no image where one is needed, an input of another form, or images of different sizes.
    """

    def __init__(self, network: str, inputs: Sequence[Spec], *, images: bool = True, flat: bool = False) -> None:
        super().__init__()
        sizes = [_map_size(network, number, spec) for number, spec in enumerate(inputs, 1)]
        maps = [size for size in sizes if size is not None and not flat]
        if not inputs or (images and not maps):
            listing = ", ".join(map(str, inputs)) or "none"
            raise ComponentError(
                f"{network} needs at least one {'image' if images else 'input'} (got {listing})",
                fix="call it as G(source)",
            )
        if len(set(maps)) > 1:
            listing = ", ".join(f"{h}x{w}" for h, w in maps)
            raise ComponentError(
                f"{network} joins its inputs on their channels, but their sizes differ ({listing})",
                fix="bring them to one size with resize(image, size=...)",
            )
        self.flat = flat
        self.classes = tuple(spec.classes if isinstance(spec, Label) else 0 for spec in inputs)
        self.channels: int = sum(
            spec.classes if isinstance(spec, Label) else math.prod(spec.shape) if flat else spec.shape[0]
            for spec in inputs
        )
        self.size: tuple[int, int] | None = maps[0] if maps else None

    def forward(self, *inputs: Tensor) -> Tensor:
        """Join; a single image or vector passes as it is."""
        values = [_encoded(value, classes) for value, classes in zip(inputs, self.classes, strict=True)]
        if self.flat:
            values = [value.flatten(1) if value.ndim > 2 else value for value in values]
        if len(values) == 1:
            return values[0]
        maps = [value for value in values if value.ndim == 4]
        if maps:
            values = [value if value.ndim == 4 else _tiled(value, maps[0]) for value in values]
        return torch.cat(values, dim=1)

    def extra_repr(self) -> str:
        """Shown in the network's listing."""
        return f"channels={self.channels}"


def _map_size(network: str, number: int, spec: Spec) -> tuple[int, int] | None:
    """Height and width of an input; None for vectors and labels."""
    if len(spec.shape) == 3:
        return spec.shape[1], spec.shape[2]
    if isinstance(spec, Label) or len(spec.shape) == 1:
        return None
    raise ComponentError(
        f"{network} takes images, vectors and labels, but its input {number} is {spec}",
        fix="name an image, a vector or a label; of several values name one, as in `pair.a`",
    )


def repeats(inputs: Sequence[Spec]) -> bool:
    """Whether an input has no height and width: beside an image, `Join` repeats it as planes that are constant.

    Without a border of zeros a convolution makes a constant of it in each map, which is exactly what a norm of single
    maps subtracts. Behind an activation it is no constant any more.
    """
    return any(len(spec.shape) < 3 for spec in inputs)


def _encoded(value: Tensor, classes: int) -> Tensor:
    return F.one_hot(value, classes).to(torch.get_default_dtype()) if classes else value


def _tiled(vector: Tensor, like: Tensor) -> Tensor:
    return vector[:, :, None, None].expand(-1, -1, like.shape[2], like.shape[3]).to(like.dtype)


def joined_images(network: str, inputs: Sequence[Spec]) -> tuple[Join, int, int]:
    """The `Join` of a network that needs an image, with height and width."""
    joined = Join(network, inputs)
    assert joined.size is not None
    return joined, *joined.size


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
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
