"""Values of losses may be nested: a multi-scale discriminator returns one tensor for each scale.

The one rule of this family: each tensor is averaged over its own elements, at least in float32, and nested tensors are
summed, as over the discriminators of pix2pixHD (Wang et al. 2017, arXiv 1711.11585, equation 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from translate.errors import ComponentError

Nested: TypeAlias = "Tensor | Sequence[Nested] | Mapping[str, Nested]"


def leaves(value: Nested) -> Iterator[Tensor]:
    """All tensors of a nested value, in order.

    Raises:
        ComponentError: Something in it is neither a tensor nor a container.
    """
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from leaves(item)
    else:
        raise ComponentError(
            f"a loss takes tensors, or lists and mappings of them (got {type(value).__name__})",
            fix="name one output of the network, as in `real: judged.validity`",
        )


def precise(value: Tensor) -> Tensor:
    """At least float32: a mean or a norm in half precision is not to be trusted. float64 stays."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


def total(value: Nested, term: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum over the tensors of the mean of `term`, computed at least in float32; a 0-d tensor."""
    return _sum([term(precise(tensor)).mean() for tensor in leaves(value)])


def paired_total(first: Nested, second: Nested, term: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The same over two values of the same form.

    Raises:
        ComponentError: The values have different forms or shapes; broadcasting would hide a mistake.
    """
    left, right = list(leaves(first)), list(leaves(second))
    shapes = [[tuple(tensor.shape) for tensor in side] for side in (left, right)]
    if shapes[0] != shapes[1]:
        raise ComponentError(
            f"the two values differ in shape: {_shown(shapes[0])} and {_shown(shapes[1])}",
            fix="compare values of the same shape; resize(image, size=...) changes an image's size",
        )
    return _sum([term(precise(a), precise(b)).mean() for a, b in zip(left, right, strict=True)])


def _sum(terms: Sequence[Tensor]) -> Tensor:
    if not terms:
        raise ComponentError("a loss got an empty list of tensors", fix="name an output that holds a tensor")
    return torch.stack(list(terms)).sum() if len(terms) > 1 else terms[0]


def _shown(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes)
