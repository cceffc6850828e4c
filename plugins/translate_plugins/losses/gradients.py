"""The gradient of a discriminator with respect to its input, for each example, as penalties need it."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.losses.nested import Nested, leaves, precise


def input_gradients(of: Nested, at: Nested) -> Tensor:
    """Gradient of a critic's value with respect to its input, flattened, one row for each example.

    An example's value is the mean of its outputs, which is what the adversarial losses average, so a patch critic's
    penalty does not grow with the number of patches; nested outputs are summed over scales. The result keeps its graph:
    its own gradient reaches the critic's weights.

    Args:
        of: Outputs of the discriminator, N x ... each.
        at: The inputs at which the gradient is taken, N x ... each; made by `mix` or `leaf`.

    Shape:
        N x (number of values in one example of `at`), at least float32.

    Raises:
        ComponentError: `at` carries no gradient, or `of` was not computed from it, or from several examples of it.
    """
    points, values = list(leaves(at)), list(leaves(of))
    sizes = [sorted({tensor.shape[0] for tensor in side}) for side in (values, points)]
    if sizes[0] != sizes[1] or len(sizes[0]) != 1:
        judged, given = (" and ".join(map(str, side)) for side in sizes)
        raise ComponentError(
            f"`of` has {judged} examples and `at` {given}: the gradient of a value at one of several examples is not "
            "that at all of them",
            fix="pack before you mix: `between: mix(pack(real), pack(fake))`, `of: D(between)` and `at: between`",
        )
    if not all(point.requires_grad for point in points):
        raise ComponentError(
            "`at` carries no gradient, so there is none to penalise",
            fix="name a leaf in the flow, as `between: mix(real, fake)` or `point: leaf(real)`, and use it twice",
        )
    value = torch.stack([precise(out).reshape(len(out), -1).mean(1).sum() for out in values]).sum()
    if not value.requires_grad:
        raise ComponentError("`of` was not computed from `at`", fix="write `of: D(point)` and `at: point`")
    found = torch.autograd.grad(value, points, create_graph=True, allow_unused=True)
    rows = [precise(gradient).reshape(len(gradient), -1) for gradient in found if gradient is not None]
    if len(rows) != len(points):
        raise ComponentError("`of` was not computed from `at`", fix="write `of: D(point)` and `at: point`")
    return torch.cat(rows, dim=1)
