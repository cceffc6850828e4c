"""Several examples seen as one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from translate import marked
from translate.errors import ComponentError
from translate_plugins.operations.lists import Parts, each


@marked(both_sides=True, keeps_values=True)
def pack(value: Parts, /, *, count: Annotated[int, Field(ge=1)] = 2) -> Parts:
    """Join every `count` examples of a batch to one, on their channels (Lin et al. 2018, PacGAN, arXiv 1712.04086).

    A discriminator that sees several samples at once, `D(pack(image, count=2))` and `D(pack(fake, count=2))`, sees also
    whether they are alike, so that a generator that gives one picture is found out. Nothing else changes: it is the
    network that is built with `count` times the channels. Real and fake are packed alike. Where a discriminator judges
    with a condition, pack both: `D(pack(source, count=2), pack(target, count=2))`. Where it also answers for each
    example, as InfoGAN's, pack what its trunk gives: `D(pack(trunk(fake), count=2))`. For a gradient penalty mix packs,
    `between: mix(pack(real), pack(fake))`, because what is bounded is the slope at all that D sees at once.

    Args:
        value: Images or vectors, or a list of them. The batch must be a multiple of `count`.
        count: Examples that are seen as one; 2 to 4 in the paper. 1 changes nothing.

    Shape:
        N x C x H x W -> N/count x (count C) x H x W. N x C -> N/count x (count C).

    Raises:
        ComponentError: The batch is no multiple of `count`, or `value` has no channels.
    """
    return each("pack", lambda part: _packed(part, count), value)


def _packed(value: Tensor, count: int) -> Tensor:
    if value.ndim < 2:
        raise ComponentError(
            "pack takes images or vectors (got one number for each example)", fix="pack one_hot(label, classes=N)"
        )
    number = len(value)
    if number % count:
        raise ComponentError(
            f"pack: a batch of {number} cannot be divided into packs of {count}",
            fix=f"set training.batch_size to a multiple of {count}",
        )
    return value.reshape(number // count, count * value.shape[1], *value.shape[2:])
