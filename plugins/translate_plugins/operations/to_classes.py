"""Classes from the colours of a label picture."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.operations.ranges import check_range

Colour = Annotated[list[Annotated[float, Field(ge=0, le=255)]], Field(min_length=1)]


class ToClasses(nn.Module):
    """One map for each class, 1 where a label picture has the class's colour and 0 elsewhere.

    A pixel belongs to the nearest colour of the palette (squared distance; the first of equally near ones), so that
    pictures that were compressed or resized give clean maps. No gradient flows back. A module, although it remembers
    nothing, so that the palette lies on the device and is not copied there in every call.

    Args:
        palette: Colours, one for each class, each with a number from 0 to 255 for each channel.
        low: Value of black; the low end of the data's value range.
        high: Value of full intensity, 255 in the palette.

    Shape:
        N x C x H x W -> N x (number of classes) x H x W.

    Raises:
        ComponentError: The colours have different lengths, or `low` is not below `high`.
    """

    palette: Tensor

    def __init__(
        self, *, palette: Annotated[list[Colour], Field(min_length=2)], low: float = -1.0, high: float = 1.0
    ) -> None:
        super().__init__()
        check_range("to_classes", low, high)
        lengths = sorted({len(colour) for colour in palette})
        if len(lengths) > 1:
            listing = " and ".join(map(str, lengths))
            raise ComponentError(
                f"to_classes: the colours of the palette have {listing} numbers", fix="give one for each channel"
            )
        self.low, self.high = low, high
        self.register_buffer("palette", torch.tensor(palette, dtype=torch.float32), persistent=False)

    def forward(self, image: Tensor, /) -> Tensor:
        """Find the nearest colours.

        Raises:
            ComponentError: The image has other channels than the palette.
        """
        classes, channels = self.palette.shape
        if image.ndim != 4 or image.shape[1] != channels:
            raise ComponentError(
                f"to_classes takes images with as many channels as its palette, {channels} (got {tuple(image.shape)})",
                fix="give each colour one number for each channel",
            )
        values = (image.detach() - self.low) * (255 / (self.high - self.low))
        colours = self.palette.to(values.dtype).T.reshape(channels, classes, 1, 1)
        # Channel by channel: all differences at once would need as much memory again for each channel.
        distance = (values[:, :1] - colours[0]).square()
        for channel in range(1, channels):
            distance = distance + (values[:, channel : channel + 1] - colours[channel]).square()
        return F.one_hot(distance.argmin(1), classes).permute(0, 3, 1, 2).to(image.dtype)
