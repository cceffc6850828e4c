"""The modules of a stack: one layer after the other, with the shape of an example after each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from torch import Tensor, nn

from translate_plugins.layers import Norm, PixelNorm, ReflectionPad, needs_bias, norm_layers
from translate_plugins.stack_words import ACTIVATIONS, NORMS, PIXEL_NORM, Layer, Modifier

_MOST_VALUES: Final = 2**30  # of one example after one layer: 64 maps of 4096 x 4096
_NORMS: Final[dict[str, Norm]] = {"batch": "batch", "instance": "instance", "layer": "layer"}


class Mean(nn.Module):
    """Mean of each map; N x C x H x W -> N x C."""

    def forward(self, x: Tensor) -> Tensor:
        """Average over height and width."""
        return x.mean((2, 3))


class Maxout(nn.Module):
    """The largest of several values for each feature (Goodfellow et al. 2013, arXiv 1302.4389, section 2).

    Args:
        pieces: Values for each feature; its gradient goes to the largest, to equal ones in equal parts.

    Shape:
        N x (pieces C) x ... -> N x C x ...; piece i of feature j is channel i C + j.
    """

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """Take the largest."""
        return x.reshape(len(x), self.pieces, -1, *x.shape[2:]).amax(1)

    def extra_repr(self) -> str:
        """Shown in the network's listing."""
        return str(self.pieces)


@dataclass
class Growing:
    """A stack while it grows.

    Attributes:
        shape: Of one example after the layers so far.
        wanted: That of what is to be made.
        modules: The layers so far.
        activated: Numbers of the modules that are activations before the last layer with weights.
        trail: The shape after each layer, for messages.
    """

    shape: tuple[int, ...]
    wanted: tuple[int, ...] | None
    modules: list[nn.Module] = field(default_factory=list)
    activated: list[int] = field(default_factory=list)
    trail: list[str] = field(default_factory=list)

    def add(self, layer: Layer, *, scale: float, before_end: bool) -> None:
        """Append a layer with its modifiers."""
        {"fc": self._dense, "flat": self._flat, "mean": self._mean}.get(layer.kind, self._maps)(layer, scale)
        for modifier in layer.modifiers:
            if modifier.name in ACTIVATIONS and before_end:
                self.activated.append(len(self.modules))
            self.modules += _modifier(layer, modifier, self.shape)
            if modifier.name == "maxout":
                self.shape = (self.shape[0] // layer.pieces, *self.shape[1:])
        self.trail.append(f"`{layer.word}` {sizes_text(self.shape)}")

    def _reach(self, layer: Layer, shape: tuple[int, ...]) -> None:
        if math.prod(shape) > _MOST_VALUES:
            raise layer.entry.mistake(f"{sizes_text(shape)} values per example are more than a machine can hold")
        self.shape = shape

    def flatten(self) -> None:
        """See maps as a vector."""
        if len(self.shape) > 1:
            self.modules.append(nn.Flatten())
        self.shape = (math.prod(self.shape),)

    def _flat(self, _layer: Layer, _scale: float) -> None:
        self.flatten()

    def _mean(self, _layer: Layer, _scale: float) -> None:
        if len(self.shape) > 1:
            self.modules.append(Mean())
        self.shape = self.shape[:1]

    def _dense(self, layer: Layer, scale: float) -> None:
        self.flatten()
        maps = layer.maps
        if layer.width is None:
            wanted = self._needed(layer)
            width, maps = layer.times * wanted[0], (wanted[1], wanted[2]) if len(wanted) == 3 else None
        else:
            width = _scaled(layer.width, scale)
        width *= layer.pieces
        shape = (width,) if maps is None else (width, *maps)
        before = self.shape[0]
        self._reach(layer, shape)
        # Normalised maps are shifted as wholes, so that a bias for each value counts.
        bias = math.prod(shape) != width or _needs_bias(layer)
        self.modules.append(nn.Linear(before, math.prod(shape), bias=bias))
        if maps is not None:
            self.modules.append(nn.Unflatten(1, shape))

    def _maps(self, layer: Layer, scale: float) -> None:
        if len(self.shape) == 1:  # a vector is a map of 1 x 1
            self.shape = (*self.shape, 1, 1)
            self.modules.append(nn.Unflatten(1, self.shape))
        channels, *sides = self.shape
        after = [layer.side(side) for side in sides]
        if min(after) < 1:
            raise layer.entry.mistake(f"nothing is left of maps of {sizes_text(sides)}; sizes: {', '.join(self.trail)}")
        if layer.reflect and layer.padding >= min(sides):
            what = f"maps of {sizes_text(sides)} cannot reflect a border of {layer.padding}"
            raise layer.entry.mistake(f"{what}; sizes: {', '.join(self.trail)}", "leave `r` out")
        width = channels
        if layer.has_weights:
            width = layer.times * self._needed(layer)[0] if layer.width is None else _scaled(layer.width, scale)
        width *= layer.pieces
        self._reach(layer, (width, *after))
        self.modules += _map_layer(layer, channels, width)

    def _needed(self, layer: Layer) -> tuple[int, ...]:
        if self.wanted is None:
            raise layer.entry.mistake(
                "`*` is the number that `makes` needs, but `makes` is not given", "write a number, or give `makes`"
            )
        return self.wanted


def _map_layer(layer: Layer, channels: int, width: int) -> list[nn.Module]:
    """The modules of a layer from maps to maps."""
    kernel, stride, padding = layer.kernel, layer.stride, layer.padding
    match layer.kind:
        case "c":
            border: list[nn.Module] = [ReflectionPad(padding)] if layer.reflect else []
            zeros = 0 if layer.reflect else padding
            return [*border, nn.Conv2d(channels, width, kernel, stride, zeros, bias=_needs_bias(layer))]
        case "t":
            bias = _needs_bias(layer)
            return [nn.ConvTranspose2d(channels, width, kernel, stride, padding, layer.extra, bias=bias)]
        case "pool":
            return [nn.MaxPool2d(kernel)]
        case "avg":
            return [nn.AvgPool2d(kernel)]
        case _:
            return [nn.Upsample(scale_factor=stride)]


def _modifier(layer: Layer, modifier: Modifier, shape: tuple[int, ...]) -> list[nn.Module]:
    """The module of a modifier; none for a dropout of 0."""
    name, value = modifier.name, modifier.value
    if name in NORMS:
        return _norm(layer, _NORMS[name], shape)
    if name == PIXEL_NORM:
        if shape[0] == 1:
            raise layer.entry.mistake("`pixelnorm` of one map leaves only its sign", "leave it out")
        return [PixelNorm()]
    if name == "dropout":
        return [nn.Dropout(value)] if value else []
    if name == "leaky":
        return [nn.LeakyReLU(value)]
    if name == "maxout":
        return [Maxout(layer.pieces)]
    kinds: dict[str, Callable[[], nn.Module]] = {
        "relu": nn.ReLU,
        "prelu": nn.PReLU,
        "elu": nn.ELU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
    }
    return [kinds[name]()]


def _norm(layer: Layer, norm: Norm, shape: tuple[int, ...]) -> list[nn.Module]:
    if norm == "batch" and len(shape) == 1:
        return [nn.BatchNorm1d(shape[0])]
    normalised = {"batch": 2, "instance": math.prod(shape[1:]), "layer": math.prod(shape)}[norm]
    if normalised == 1:
        raise layer.entry.mistake(f"`{norm}` would turn {sizes_text(shape)} into zeros: each value is its own mean")
    return norm_layers(norm, shape[0])


def _needs_bias(layer: Layer) -> bool:
    """Whether a layer needs a bias: not where a norm that follows at once takes it away again."""
    first = layer.modifiers[0].name if layer.modifiers else ""
    return first not in NORMS or needs_bias(_NORMS[first])


def _scaled(width: int, scale: float) -> int:
    return max(1, round(width * scale))


def sizes_text(shape: Sequence[int]) -> str:
    """A shape as users read it: `3x64x64`."""
    return "x".join(map(str, shape))
