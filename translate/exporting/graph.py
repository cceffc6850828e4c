"""The module that is traced, and what the file's user sees of it.

Baked (the default): image inputs are N x H x W x C as pictures come, uint8, or uint16 where the spec's depth is 16
bits. Inside they are brought to the value range of their spec, to N x C x H x W, and padded at the bottom and right to
multiples of the size divisor by repeating the edge; the output is cropped back. An image output whose value range is
known is clamped to it and becomes uint8 or uint16 N x H x W x C by the depth of what it is made like (a network's
`makes`), rounded half to even. One whose range is not known (a linear output) is float32 N x H x W x C, as the network
gives it. Per-image statistics count the padding, so they are those of the padded picture.

Float: the flow itself, float32 N x C x H x W in value range, without padding.

In both, vectors are float32 N x size, labels int64 N.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from translate import specs
from translate.exporting.plan import PIXELS, WHITE, Flow, Plan


class Baked(nn.Module):
    """The flow from and to pictures; see the module's text."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.flow = Flow(plan)

    def forward(self, *values: Tensor) -> Any:
        """Translate."""
        plan = self.plan
        prepared, size = [], None
        for (name, spec), value in zip(plan.inputs.items(), values, strict=True):
            if isinstance(spec, specs.Image):
                size = (value.shape[1], value.shape[2]) if size is None else size
                value = _from_pixels(value, spec)
                value = self._pad(value) if plan.follows(name) else value
            prepared.append(value)
        result = self.flow(*prepared)
        if plan.kind != "image":
            return result
        if size is not None and plan.scale is not None and plan.divisor > 1:
            height, width = (_scaled(side, scale) for side, scale in zip(size, plan.scale, strict=True))
            result = result[:, :, :height, :width]
        return to_pixels(result, plan).permute(0, 2, 3, 1)

    def _pad(self, x: Tensor) -> Tensor:
        divisor = self.plan.divisor
        if divisor == 1:
            return x
        return F.pad(x, (0, -x.shape[3] % divisor, 0, -x.shape[2] % divisor), mode="replicate")


def _from_pixels(value: Tensor, spec: specs.Image) -> Tensor:
    unit = value.permute(0, 3, 1, 2).to(torch.float32) / float(WHITE[spec.bits])
    return unit * (spec.high - spec.low) + spec.low


def to_pixels(value: Tensor, plan: Plan) -> Tensor:
    """Values in the output's range as integers of its depth; unchanged where the range is not known."""
    if plan.range is None:
        return value.to(torch.float32)
    (low, high), most = plan.range, float(WHITE[plan.bits])
    return ((value - low) * (most / (high - low))).clamp(0.0, most).round().to(PIXELS[plan.bits])


def _scaled(side: Any, scale: Fraction) -> Any:
    if scale == 1:
        return side
    return (side * scale.numerator + scale.denominator - 1) // scale.denominator


def traced_module(plan: Plan, *, float_only: bool) -> nn.Module:
    """What is handed to the exporter."""
    module: nn.Module = Flow(plan) if float_only else Baked(plan)
    return module.eval()
