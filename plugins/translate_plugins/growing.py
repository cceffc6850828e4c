"""What grows with the resolution: stages, their sizes and widths, and how a stage is faded in.

Stage s works on squares of 4 x 2^s pixels. A growth of s shows stage s; between s and s + 1 stage s + 1 is faded in,
which is what the schedule `growth` gives, and what `progressive` networks and `shrink` take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from translate import Spec
from translate.errors import ComponentError
from translate.specs import Scalar

SMALLEST: Final = 4  # pixels of a side at stage 0
SLOPE: Final = 0.2  # of the leaky ReLUs

M = TypeVar("M", bound=nn.Module)


def side_of(stage: int) -> int:
    """Height and width of a stage.

    >>> [side_of(stage) for stage in range(4)]
    [4, 8, 16, 32]
    """
    return SMALLEST << stage


def last_stage(what: str, size: Sequence[int]) -> int:
    """The stage whose images have this height and width.

    Raises:
        ComponentError: It is no square with a side of 4, 8, 16 ... pixels.
    """
    side = size[0]
    if len(set(size)) > 1 or side < SMALLEST or side & (side - 1):
        shown = "x".join(map(str, size))
        raise ComponentError(
            f"{what} works on squares of 4, 8, 16, 32 ... pixels (got {shown})",
            fix="set `data.image_size` to a power of two",
        )
    return side.bit_length() - SMALLEST.bit_length()


def stage_at(what: str, growth: float, last: int) -> tuple[int, float]:
    """The stage that a growth shows, and how far it is faded in: above 0, and 1 where it is there as a whole.

    >>> stage_at("G", 2.0, 3), stage_at("G", 2.25, 3)
    ((2, 1.0), (3, 0.25))

    Raises:
        ComponentError: The growth is below 0 or beyond the last stage.
    """
    if not 0 <= growth <= last:
        raise ComponentError(
            f"{what}: a growth of {growth:g} is asked for, but {side_of(last)}x{side_of(last)} pixels have the stages "
            f"0 to {last}",
            fix=f"give the schedule `stages: {last + 1}`",
        )
    stage = math.ceil(growth)
    return stage, growth - stage + 1


def blend(old: Tensor, new: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) x old + alpha x new; with alpha 0 exactly the old."""
    return old + alpha * (new - old)


def doubled(image: Tensor) -> Tensor:
    """Each pixel 2x2 times."""
    return F.interpolate(image, scale_factor=2, mode="nearest")


def halved(image: Tensor) -> Tensor:
    """The mean of each 2x2 pixels."""
    return F.avg_pool2d(image, 2)


def width_of(stage: int, base: int, most: int) -> int:
    """Feature maps of a stage: base / 2^(stage + 1), at least one and at most so many; stage -1 is the dense layer's.

    The authors' numbers: with 8192 and 512 the stages to 32x32 have 512 maps, 64x64 has 256, 1024x1024 has 16.
    """
    return max(1, min(base >> (stage + 1), most))


def scalar_index(what: str, inputs: Sequence[Spec]) -> int | None:
    """Which input is the growth; None where there is none.

    Raises:
        ComponentError: There are several numbers.
    """
    found = [index for index, spec in enumerate(inputs) if isinstance(spec, Scalar)]
    if len(found) > 1:
        raise ComponentError(f"{what} takes one number, the growth (got {len(found)})", fix="write G(z, growth)")
    return found[0] if found else None


def he_initialise(network: M) -> M:
    """Draw all weights by He's rule (He et al. 2015, arXiv 1502.01852, equation 10), N(0, sqrt(2 / fan_in)); biases 0.

    What the parametrisation `equalised` computes with at the start, so that the two differ in the learning alone.

    Args:
        network: Changed in place and returned. May be on the meta device.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
