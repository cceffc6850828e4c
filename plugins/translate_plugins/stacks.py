"""Networks that are a list of layers, built from words: what `stack` generators and discriminators share."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from fractions import Fraction
from functools import reduce
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor, nn

from translate import Image, Label, Spec
from translate.errors import ComponentError
from translate_plugins.layers import InitStd, Join, Output, initialise, output_activation, repeats
from translate_plugins.stack_layers import Growing, sizes_text
from translate_plugins.stack_words import ACTIVATIONS, NORMS, Layer

Layers = Annotated[list[str], Field(min_length=1)]
Scale = Annotated[float, Field(gt=0)]
Kernels = Literal["off", "refuse"]


class Stack(nn.Module):
    """The network behind the generators and discriminators `stack`.

    Args:
        joined: Joins the inputs.
        layers: From the joined inputs to the result.
        kept: Numbers of the layers whose results are features; None = the result alone is wanted.
        size_divisor: By multiples of it the result's size follows the input's.

    Shape:
        As the words say; with `kept` a mapping of `logits` and the list `features`.
    """

    def __init__(
        self, joined: Join, layers: Sequence[nn.Module], kept: Collection[int] | None, size_divisor: int
    ) -> None:
        super().__init__()
        self.size_divisor: int = size_divisor
        self.kept = None if kept is None else frozenset(kept)
        self.joined = joined
        self.layers = nn.Sequential(*layers)

    def forward(self, *inputs: Tensor) -> Tensor | dict[str, Any]:
        """Run the layers one after the other."""
        x: Tensor = self.joined(*inputs)
        features = []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if self.kept is not None and number in self.kept:
                features.append(x)
        return x if self.kept is None else {"logits": x, "features": features}


def build_stack(
    inputs: Sequence[Spec],
    layers: Sequence[Layer],
    *,
    makes: Spec | None,
    scale: float,
    check_kernels: Kernels,
    init_std: InitStd | None,
    last: nn.Module | None = None,
    features: bool = False,
) -> Stack:
    """Build the network; see the generator `stack` for the choices.

    Args:
        inputs: Specs of the inputs.
        layers: What to build, as read.
        makes: What the result must be; None = whatever comes.
        scale: Factor of the widths.
        check_kernels: Whether kernels that their stride does not divide are refused.
        init_std: Standard deviation of the initial weights; None = torch's own initialisation.
        last: A module that follows the last layer.
        features: Whether the results of the activations are wanted too.

    Raises:
        ComponentError: A layer does not fit what comes before it, or the result is not what `makes` says.
    """
    joined = Join("stack", inputs, images=False, flat=layers[0].kind in {"fc", "flat"})
    wanted = _wanted(makes)
    times = _times(layers, makes)
    if check_kernels == "refuse":
        _refuse_uneven_kernels(layers)
    if joined.size is not None and repeats(inputs):
        _refuse_lost_inputs(layers)
    start = (joined.channels,) if joined.size is None else (joined.channels, *joined.size)
    end = max((layer.entry.number for layer in layers if layer.has_weights), default=0)
    growing = Growing(start, wanted, trail=["x".join(map(str, start))])
    for layer in layers:
        growing.add(layer, scale=1.0 if layer.entry.number == end else scale, before_end=layer.entry.number < end)
    if wanted is not None and len(wanted) == 1 and growing.shape[1:] == (1, 1):
        growing.flatten()
    if wanted is not None and growing.shape != (times * wanted[0], *wanted[1:]):
        asked = f"{times} times {makes}" if times > 1 else str(makes)
        raise ComponentError(
            f"stack makes {sizes_text(growing.shape)}, but {asked} was asked for; sizes: {', '.join(growing.trail)}",
            fix="change a kernel, stride or padding, or write `*` for the number that `makes` needs",
        )
    if last is not None:
        growing.modules.append(last)
    divisor = 1 if joined.size is None else _size_divisor(layers, joined.size)
    stack = Stack(joined, growing.modules, growing.activated if features else None, divisor)
    return stack if init_std is None else initialise(stack, init_std)


def closing_activation(layers: Sequence[Layer], makes: Spec | None, output: Output | None) -> nn.Module | None:
    """The activation that spans the range of the images to make, where the words do not end in one of their own.

    Raises:
        ComponentError: The last layer's own activation does not span the range, or stands beside `output`.
    """
    if not isinstance(makes, Image):
        if output is not None:
            raise ComponentError(
                "stack: `output` is for what makes images", fix="write the activation behind the last layer"
            )
        return None
    end = max((number for number, layer in enumerate(layers) if layer.has_weights), default=0)
    written = [
        (layer, modifier.name) for layer in layers[end:] for modifier in layer.modifiers if modifier.name in ACTIVATIONS
    ]
    if not written:
        return output_activation(makes, output)
    layer, name = written[-1]
    if output is not None:
        what = f"it ends in `{name}`, and `output` is '{output}'"
        raise layer.entry.mistake(what, "keep one of them")
    bounded: dict[str, Output] = {"tanh": "tanh", "sigmoid": "sigmoid"}
    if name in bounded:
        try:
            output_activation(makes, bounded[name])
        except ComponentError as exc:
            raise layer.entry.mistake(exc.what, f"leave `{name}` out: the one that fits is added") from exc
    return None


def _wanted(makes: Spec | None) -> tuple[int, ...] | None:
    """The shape of what is to be made: of an image, a vector, or a logit for each class of a label."""
    if makes is None:
        return None
    shape = (makes.classes,) if isinstance(makes, Label) else makes.shape
    if len(shape) not in {1, 3}:
        raise ComponentError(
            f"stack makes images, vectors and labels, but `makes` is {makes}", fix="name a field of one of these kinds"
        )
    return shape


def _times(layers: Sequence[Layer], makes: Spec | None) -> int:
    """How many times what is to be made the last layer makes."""
    last = [layer for layer in layers if layer.has_weights][-1:]
    times = last[0].times if last else 1
    if times > 1 and isinstance(makes, Image):
        raise last[0].entry.mistake(f"`{times}*` as the last layer makes no image", "write `*`")
    return times


def _refuse_uneven_kernels(layers: Sequence[Layer]) -> None:
    for layer in layers:
        kernel, stride = layer.kernel, layer.stride
        if layer.kind in {"c", "t"} and kernel % stride:
            seen = "its result" if layer.kind == "t" else "the gradient that it passes on"
            fitting = [f"`k{side}`" for side in (kernel // stride * stride, -(-kernel // stride) * stride) if side]
            raise layer.entry.mistake(
                f"kernel {kernel} is not divisible by stride {stride}: neighbouring pixels get unequal numbers of"
                f" weights, which draws a checkerboard into {seen}",
                f"write {' or '.join(fitting)}, or leave out `check_kernels`",
            )


def _refuse_lost_inputs(layers: Sequence[Layer]) -> None:
    """Refuse an instance norm that subtracts all that a joined vector or label has added: see `repeats`."""
    for layer in layers:
        has_zeros = layer.kind == "c" and layer.padding > 0 and not layer.reflect
        if has_zeros or layer.kind not in {"c", "pool", "avg", "up"}:
            return
        for modifier in layer.modifiers:
            if modifier.name == "instance":
                raise layer.entry.mistake(
                    "`instance` takes the joined vector or label away again: up to here it is a constant in each map",
                    "leave this `instance` out, or let the convolution have a border of zeros, without `r` and `v`",
                )
            if modifier.name not in NORMS | {"dropout"}:
                return


def _size_divisor(layers: Sequence[Layer], size: tuple[int, int]) -> int:
    """The number by multiples of which the result's size is in proportion to the input's; 1 where there is none.

    The result grows by a fixed step whenever the input grows by the common denominator of all reductions on the way, so
    that one such step tells about all sizes.
    """
    if any(layer.kind in {"fc", "flat", "mean"} for layer in layers):
        return 1
    factor, divisor = Fraction(1), 1
    for layer in layers:
        factor = factor * layer.stride if layer.kind in {"t", "up"} else factor / layer.stride
        divisor = math.lcm(divisor, factor.denominator)

    def result(side: int) -> int:
        return reduce(lambda now, layer: layer.side(now), layers, side)

    proportional = all(result(side) * (side + divisor) == result(side + divisor) * side for side in size)
    return divisor if proportional and not any(side % divisor for side in size) else 1
