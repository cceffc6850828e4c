"""Whether continuous codes are found again in what was made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import at_least_two
from translate_plugins.metrics.vectors import standardised


class CodeCorrelation:
    """Absolute Pearson correlation of each number of a code with what a network says of it.

    For InfoGAN (Chen et al. 2016, arXiv 1606.03657) the drawn code and the mean that Q finds in the picture: near 1
    where the code is found again, near 0 where the generator ignores it. A number that never varies has correlation 0.
    Parts: `least`, the smallest over the numbers of the code; `mean`; and `code1`, `code2` ... for each.
    """

    def __init__(self) -> None:
        self._of: list[Tensor] = []
        self._to: list[Tensor] = []

    def update(self, of: Any, to: Any) -> None:
        """Add a batch.

        Args:
            of: What the network says of the code, N x k.
            to: The code that was drawn, N x k.

        Raises:
            ComponentError: The shapes differ.
        """
        shapes = [tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__ for each in (of, to)]
        if shapes[0] != shapes[1] or len(shapes[0]) != 2:
            raise ComponentError(
                f"code_correlation compares codes of one shape, N x size (got {shapes[0]} and {shapes[1]})",
                fix="name the drawn code and what Q says of it; of means and log variances, `halves(...).first`",
            )
        self._of.append(of.double().cpu())
        self._to.append(to.double().cpu())

    def compute(self) -> Mapping[str, float]:
        """`least`, `mean`, and `code1` and so on.

        Raises:
            ComponentError: Fewer than two examples were seen.
        """
        at_least_two("code_correlation", sum(map(len, self._of)))
        of, to = (standardised(torch.cat(each).T) for each in (self._of, self._to))
        values = (of * to).sum(1).abs().clamp(max=1.0).tolist()
        numbered = {f"code{number}": value for number, value in enumerate(values, 1)}
        return {"least": min(values), "mean": sum(values) / len(values), **numbered}
