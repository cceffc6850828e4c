"""A code in two halves."""

from __future__ import annotations

from torch import Tensor

from translate import marked
from translate_plugins.gaussian_codes import halved


@marked(keeps_values=True)
def halves(code: Tensor, /) -> dict[str, Tensor]:
    """Cut a value in two along dimension 1: the means and log variances of a Gaussian code, `first` and `second`.

    Args:
        code: N x 2K, or N x 2K x H x W.

    Shape:
        N x 2K -> {"first": N x K, "second": N x K}; further dimensions stay.

    Raises:
        ComponentError: Dimension 1 is odd, or missing.
    """
    first, second = halved(
        code, problem="halves needs an even number of entries on dimension 1", fix="make a code of 2 x K entries"
    )
    return {"first": first, "second": second}
