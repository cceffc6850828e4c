"""A code in two halves."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError


def halves(code: Tensor, /) -> dict[str, Tensor]:
    """Cut a value in two along dimension 1: the means and log variances of a Gaussian code, `first` and `second`.

    Args:
        code: N x 2K, or N x 2K x H x W.

    Shape:
        N x 2K -> {"first": N x K, "second": N x K}; further dimensions stay.

    Raises:
        ComponentError: Dimension 1 is odd, or missing.
    """
    if code.ndim < 2 or code.shape[1] % 2:
        shape = "x".join(map(str, code.shape[1:])) or "one number"
        raise ComponentError(
            f"halves needs an even number of entries (got {shape})", fix="make a code of 2 x K entries"
        )
    first, second = code.chunk(2, dim=1)
    return {"first": first, "second": second}
