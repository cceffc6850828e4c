"""Random points between real and fake examples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from translate.errors import ComponentError
from translate_plugins.operations.lists import Parts, each


class Mix(nn.Module):
    """Random points on the lines between two batches (Gulrajani et al. 2017, arXiv 1704.00028, algorithm 1, line 6).

    eps x first + (1 - eps) x second, where eps ~ U(0, 1) is one number for each example, of shape N x 1 x 1 x 1 for
    images. The result is a leaf: its history is cut and it has a gradient of its own, for `gradient_penalty`. Draws
    from torch's global generator. Of two lists, as `mix(pyramid(image), made.scales)`, it is a list with the same eps
    for all parts of an example.

    Shape:
        N x ... and N x ... -> N x ...; or lists of such.

    >>> Mix()(torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])
    """

    makes_leaf = True

    def __init__(self) -> None:
        super().__init__()

    def forward(self, first: Parts, second: Parts, /) -> Parts:
        """Draw one point for each pair.

        Raises:
            ComponentError: The shapes differ, or the forms of the lists.
        """
        drawn: list[Tensor] = []

        def between(first: Tensor, second: Tensor) -> Tensor:
            if first.shape != second.shape:
                raise ComponentError(
                    f"mix needs two values of one shape (got {tuple(first.shape)} and {tuple(second.shape)})",
                    fix="bring images to one size with resize(...)",
                )
            if not drawn:
                drawn.append(torch.rand(len(first), device=first.device))
            first, second = first.detach(), second.detach()
            eps = drawn[0].view(-1, *[1] * (first.ndim - 1))
            return (eps * first + (1 - eps) * second).requires_grad_()

        return each("mix", between, first, second)
