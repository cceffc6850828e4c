"""Differentiable attention of DRAW: grids of Gaussian filters that read from and write to an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def filterbank(centre: Tensor, spacing: Tensor, log_variance: Tensor, *, count: int, length: int) -> Tensor:
    """Gaussian filters along one side of an image (Gregor et al. 2015, arXiv 1502.04623, equations 19, 20 and 25).

    The means are mu_i = centre + (i - count / 2 - 0.5) spacing for i = 1 ... count, and filter i at position a = 1 ...
    length is exp(-(a - mu_i)^2 / (2 sigma^2)) / Z_i, so that each row sums to 1. Computed as a softmax over positions,
    which is the same and still has that sum where all exponentials of a row would vanish.

    Args:
        centre: Centre of the grid; the first position is 1, the last `length`.
        spacing: Distance of neighbouring filters, in pixels.
        log_variance: log sigma^2, in pixels squared.
        count: Number of filters.
        length: Pixels along the side.

    Shape:
        N, three times -> N x count x length.
    """
    positions = torch.arange(1, length + 1, device=centre.device, dtype=centre.dtype)
    steps = torch.arange(1, count + 1, device=centre.device, dtype=centre.dtype) - count / 2 - 0.5
    means = centre[:, None] + steps * spacing[:, None]
    distances = (positions - means[:, :, None]).square()
    return (-0.5 * distances * (-log_variance).exp()[:, None, None]).softmax(dim=2)


class Attention(nn.Module):
    """Where and how strongly to look, read from a state (equations 21 to 24).

    (g~_X, g~_Y, log sigma^2, log delta~, log gamma) = W(state); the centre is (A + 1) / 2 (g~_X + 1) from the left and
    (B + 1) / 2 (g~_Y + 1) from the top, the spacing (max(A, B) - 1) / (count - 1) delta~, for an image of A x B pixels.
    At an initial state near 0 the grid spans the image.

    Args:
        state: Length of the state.
        count: Filters along each side, at least 2.
        height: B.
        width: A.
    """

    def __init__(self, state: int, count: int, height: int, width: int) -> None:
        super().__init__()
        self.count, self.height, self.width = count, height, width
        self.place = nn.Linear(state, 5)

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The filters F_Y, N x count x height, and F_X, N x count x width, and gamma, N x 1 x 1 x 1."""
        found = self.place(state)
        # In half precision, positions of a few hundred pixels would be whole numbers.
        found = found.to(torch.promote_types(found.dtype, torch.float32))
        x, y, log_variance, log_spacing, log_gain = found.unbind(1)
        spacing = (max(self.height, self.width) - 1) / (self.count - 1) * log_spacing.exp()
        centre_x, centre_y = (self.width + 1) / 2 * (x + 1), (self.height + 1) / 2 * (y + 1)
        rows = filterbank(centre_y, spacing, log_variance, count=self.count, length=self.height)
        columns = filterbank(centre_x, spacing, log_variance, count=self.count, length=self.width)
        return rows, columns, log_gain.exp()[:, None, None, None]


class Read(nn.Module):
    """A glimpse of images: gamma F_Y x F_X^T for every channel (equation 27), or all of them without attention (17).

    Args:
        state: Length of the state.
        channels: Of the images together.
        height: Of the images.
        width: Of the images.
        count: Filters along each side; None = no attention.

    Attributes:
        size: Length of what is read.
    """

    def __init__(self, state: int, channels: int, height: int, width: int, count: int | None) -> None:
        super().__init__()
        self.attention = None if count is None else Attention(state, count, height, width)
        self.size = channels * (height * width if count is None else count * count)

    def forward(self, images: Tensor, state: Tensor) -> Tensor:
        """Read; N x size."""
        if self.attention is None:
            return images.flatten(1)
        rows, columns, gain = self.attention(state)
        glimpse: Tensor = gain * (rows[:, None] @ images.to(rows.dtype) @ columns[:, None].mT)
        return glimpse.flatten(1)


class Write(nn.Module):
    """The patches that states draw: F_Y^T w F_X / gamma (equation 29), or whole images without attention (18).

    Args:
        state: Length of a state.
        channels: Of the image.
        height: Of the image.
        width: Of the image.
        count: Side of the patch, and filters along each side; None = no attention.
    """

    def __init__(self, state: int, channels: int, height: int, width: int, count: int | None) -> None:
        super().__init__()
        self.attention = None if count is None else Attention(state, count, height, width)
        self.sides = (channels, height, width) if count is None else (channels, count, count)
        self.patch = nn.Linear(state, channels * self.sides[1] * self.sides[2])

    def forward(self, states: Tensor) -> Tensor:
        """What the states of some steps add to the canvas; N x steps x state -> N x channels x height x width."""
        steps, flat = states.shape[1], states.flatten(0, 1)
        patch: Tensor = self.patch(flat).unflatten(1, self.sides)
        if self.attention is None:
            return patch.reshape(-1, steps, *self.sides).sum(1)
        rows, columns, gain = self.attention(flat)
        across = (patch.to(columns.dtype) @ columns[:, None] / gain).unflatten(0, (-1, steps))
        # The sum over the steps is part of the product: the filters of all steps stand one below the other.
        down: Tensor = rows.unflatten(0, (-1, steps)).flatten(1, 2).mT
        drawn: Tensor = down[:, None] @ across.transpose(1, 2).flatten(2, 3)
        return drawn
