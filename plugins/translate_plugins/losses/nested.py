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
NestedOrNone: TypeAlias = "Nested | None"  # with a name of its own, because signatures are read at run time


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


def paired_total(
    first: Nested, second: Nested, term: Callable[[Tensor, Tensor], Tensor], weights: NestedOrNone = None
) -> Tensor:
    """The same over two values of the same form.

    Args:
        first: One value.
        second: The other.
        term: Takes a tensor of each and gives one number for each element.
        weights: Of the same form, not negative: the mean becomes sum(w x term) / sum(w), and 0 where all w are 0.

    Shape:
        A weight has the shape of its tensors, or one channel for all of theirs: N x 1 x H x W beside N x C x H x W.

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
    terms = [term(precise(a), precise(b)) for a, b in zip(left, right, strict=True)]
    if weights is None:
        return _sum([values.mean() for values in terms])
    factors = list(leaves(weights))
    _check_weights(factors, terms)
    return _sum([_weighted_mean(values, precise(w)) for values, w in zip(terms, factors, strict=True)])


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    weights = weights.expand_as(values)
    whole = weights.sum()
    return (weights * values).sum() / torch.where(whole == 0, torch.ones_like(whole), whole)


def _check_weights(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    found, wanted = ([tuple(tensor.shape) for tensor in side] for side in (weights, values))
    one_channel = [(*shape[:1], 1, *shape[2:]) for shape in wanted]
    if len(found) != len(wanted) or any(
        shape not in either for shape, *either in zip(found, wanted, one_channel, strict=True)
    ):
        raise ComponentError(
            f"the weights do not fit: {_shown(found)} beside {_shown(wanted)}",
            fix="give one weight for each element, or one for all channels (N x 1 x height x width)",
        )


def _sum(terms: Sequence[Tensor]) -> Tensor:
    if not terms:
        raise ComponentError("a loss got an empty list of tensors", fix="name an output that holds a tensor")
    return torch.stack(list(terms)).sum() if len(terms) > 1 else terms[0]


def _shown(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "scalar" for shape in shapes)
