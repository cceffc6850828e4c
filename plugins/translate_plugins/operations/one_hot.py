"""One-hot vectors."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from translate.errors import ComponentError


def one_hot(label: Tensor, /, *, classes: Annotated[int, Field(ge=1)]) -> Tensor:
    """A vector for each label: 1 at the label's place, 0 elsewhere.

    Args:
        label: Class indices.
        classes: Number of classes: the length of the vector.

    Shape:
        N (int64) -> N x classes (float).

    Raises:
        ComponentError: `label` is no label.
    """
    if label.ndim != 1 or label.dtype != torch.int64:
        raise ComponentError(
            f"one_hot takes labels (got {str(label.dtype).removeprefix('torch.')} of shape {tuple(label.shape)})",
            fix="pass a label field, or a latent `{latent: categorical, one_hot: false}`",
        )
    return F.one_hot(label, classes).to(torch.get_default_dtype())
