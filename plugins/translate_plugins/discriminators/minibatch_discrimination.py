"""How close the examples of a batch are, as features: the minibatch discrimination of Salimans et al."""

from __future__ import annotations

import math
from typing import Annotated, Final

import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Spec, marked
from translate.errors import ComponentError
from translate_plugins.layers import Join
from translate_plugins.losses.nested import precise

_MOST_WEIGHTS: Final = 2**28  # 1 GiB


@marked(least_batch=2)
def minibatch_discrimination(
    *inputs: Spec,
    kernels: Annotated[int, Field(ge=1)] = 100,
    size: Annotated[int, Field(ge=1)] = 5,
    init_std: Annotated[float, Field(gt=0)] | None = None,
) -> nn.Module:
    """Append to each example how close the others of its batch are (Salimans et al. 2016, arXiv 1606.03498, 3.2).

    With the features f of an example (A numbers) and a learned T (A x kernels x size), M = f T, the appended numbers
    are o_b = sum over the other examples j of exp(-|M_b - M_jb|_1): n - 1 for a batch of n equal examples, near 0
    where all are far apart. The paper's sum runs over all examples; the example itself, which would add a constant 1,
    is left out here.

    It stands in front of or inside a discriminator and learns with it: `D(M(trunk(image)))`, with `M: {discriminator:
    minibatch_discrimination}`. Real and fake examples are in batches of their own, as each is a call of its own. Maps
    are seen as one vector, and the numbers become maps of one value each, so that it may stand in front of any
    network: for large maps let a trunk make them small first, as T grows with them. It costs n^2 x kernels x size.

    Args:
        *inputs: Features, or images (and latent maps) of one size, vectors and labels, in any mix.
        kernels: Numbers that are appended; 100 for MNIST in the paper's code.
        size: Length of the vectors that are compared; 5 there.
        init_std: Standard deviation of the initial T. Null is 1 / (size x sqrt(A)), ours: distances are then near 1 for
            features near 1, where the kernel has a slope.

    Shape:
        N x C -> N x (C + kernels). N x C x H x W -> N x (C + kernels) x H x W.

    Raises:
        ComponentError: T would be too large for a machine, or an input is neither image, vector nor label.
    """
    joined = Join("minibatch_discrimination", inputs, images=False)
    features = joined.channels * math.prod(joined.size or ())
    if features * kernels * size > _MOST_WEIGHTS:
        raise ComponentError(
            f"minibatch_discrimination of {features} features would have {features * kernels * size} weights",
            fix="let a trunk make the maps smaller first, or lower `kernels`",
        )
    std = 1.0 / (size * math.sqrt(features)) if init_std is None else init_std
    return MinibatchDiscrimination(joined, features, kernels, size, std)


class MinibatchDiscrimination(nn.Module):
    """The network behind `minibatch_discrimination`; see there.

    Args:
        joined: Joins the inputs.
        features: Numbers of an example, A.
        kernels: Numbers that are appended, B.
        size: Length of the vectors that are compared, C.
        std: Standard deviation of the initial T.
    """

    def __init__(self, joined: Join, features: int, kernels: int, size: int, std: float) -> None:
        super().__init__()
        self.joined, self.kernels = joined, kernels
        self.weight = nn.Parameter(torch.empty(features, kernels * size))
        nn.init.normal_(self.weight, 0.0, std)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compare every example with all others."""
        x: Tensor = self.joined(*inputs)
        # A sum over the batch: in float32 also where the layers run in half precision.
        projected = precise(x.flatten(1) @ self.weight).view(len(x), self.kernels, -1)
        distances = (projected[:, None] - projected[None]).abs().sum(3)
        closeness = torch.exp(-distances).sum(1) - 1.0  # without the example itself
        appended = closeness.to(x.dtype).view(-1, self.kernels, *[1] * (x.ndim - 2))
        return torch.cat([x, appended.expand(-1, -1, *x.shape[2:])], dim=1)

    def extra_repr(self) -> str:
        """Shown in the network's listing."""
        features, columns = self.weight.shape
        return f"features={features}, kernels={self.kernels}, size={columns // self.kernels}"
