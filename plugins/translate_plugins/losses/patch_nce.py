"""Contrastive loss between the patches of two images."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.losses.nested import Nested, leaves, precise


class PatchContrast:
    """Patchwise contrastive loss of CUT, PatchNCE (Park et al. 2020, arXiv 2007.15651, section 3).

    For each patch of `of`, the cross-entropy of finding the patch of `to` at the same place among all that `to` offers:
    -log(exp(q k+ / t) / sum_k exp(q k / t)). Averaged over patches and examples, and over the layers as in the authors'
    code, where the paper has the sum. No gradient flows to `to`. The features come L2-normalised, as by a projection
    network after `sample_patches`; this loss does not normalise them again.

    Counts on the generators' side only, where the projection belongs.

    Args:
        temperature: t; 0.07 in the paper.
        negatives: What a patch is told from: the other patches of the same image, or of all images of the batch too.

    Shape:
        A tensor N x patches x size, or a list of them, one for each layer.
    """

    def __init__(
        self,
        *,
        temperature: Annotated[float, Field(gt=0)] = 0.07,
        negatives: Literal["image", "batch"] = "image",
    ) -> None:
        self.temperature = temperature
        self.over_batch = negatives == "batch"

    def generator(self, of: Nested, to: Nested) -> Tensor:
        """Each patch nearer to its own than to the others.

        Raises:
            ComponentError: The features are not N x patches x size, or differ in shape.
        """
        queries, keys = list(leaves(of)), list(leaves(to))
        shapes = [[tuple(feature.shape) for feature in side] for side in (queries, keys)]
        if shapes[0] != shapes[1] or not queries or any(feature.ndim != 3 for feature in queries):
            listing = " and ".join(", ".join("x".join(map(str, s)) for s in side) or "nothing" for side in shapes)
            raise ComponentError(
                f"patch_nce compares features of one shape, N x patches x size (got {listing})",
                fix="take both from one sample_patches(...), as `patches.first` and `patches.second`",
            )
        layers = [self._contrast(precise(q), precise(k).detach()) for q, k in zip(queries, keys, strict=True)]
        return torch.stack(layers).mean()

    def _contrast(self, queries: Tensor, keys: Tensor) -> Tensor:
        if self.over_batch:
            queries, keys = (features.reshape(1, -1, features.shape[2]) for features in (queries, keys))
        # Row: a patch of `of`; column: a patch of `to`. The pair at the same place lies on the diagonal.
        alike = queries @ keys.transpose(1, 2) / self.temperature
        return (alike.logsumexp(2) - alike.diagonal(dim1=1, dim2=2)).mean()
