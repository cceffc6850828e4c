"""Checks that metrics share, and how they read values that are lists of tensors."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate.pipeline.trees import tensors


def same_shape(metric: str, of: Tensor, to: Tensor) -> None:
    """Refuse to compare images of different shapes, or what are no images.

    Raises:
        ComponentError: The shapes differ or are not N x C x H x W.
    """
    if of.shape != to.shape or of.ndim != 4:
        raise ComponentError(
            f"{metric} compares images of one shape (got {tuple(of.shape)} and {tuple(to.shape)})",
            fix="name two image fields of the same channels and size",
        )


def not_empty(metric: str, examples: int) -> None:
    """Refuse to give a result without examples.

    Raises:
        ComponentError: No example was seen.
    """
    if examples == 0:
        raise ComponentError(f"{metric} has seen no examples", fix="evaluate on a split that is not empty")


def at_least_two(metric: str, examples: int) -> None:
    """Refuse to compare sets of fewer than two examples.

    Raises:
        ComponentError: There are fewer.
    """
    if examples < 2:
        raise ComponentError(
            f"{metric} compares sets and needs two examples at least (got {examples})", fix="evaluate on more examples"
        )


def images_of(metric: str, value: Any) -> Tensor:
    """The images of a value: a batch, or lists and mappings of batches one after the other (`[a, b]`).

    Raises:
        ComponentError: There is none, something in it is no image, or the images differ in channels or size.
    """
    found = list(tensors(value))
    if not found or any(each.ndim != 4 or each.shape[1:] != found[0].shape[1:] for each in found):
        shapes = ", ".join(str(tuple(each.shape)) for each in found) or type(value).__name__
        raise ComponentError(
            f"{metric} takes images of the same channels and size (got {shapes})", fix="name image fields, or `[a, b]`"
        )
    return torch.cat(found) if len(found) > 1 else found[0]


def labels_of(metric: str, value: Any, examples: int) -> Tensor:
    """The classes of a value, N int64: labels, or vectors with one number for each class, of which the largest counts.

    Args:
        metric: Its name, for errors.
        value: A tensor, or lists of tensors one after the other.
        examples: How many there must be.

    Raises:
        ComponentError: It is neither, or there is not one for each example.
    """
    found = [each.argmax(1) if each.ndim == 2 and each.is_floating_point() else each for each in tensors(value)]
    right = found and all(each.ndim == 1 and not each.is_floating_point() for each in found)
    if not right or sum(map(len, found)) != examples:
        shapes = ", ".join(str(tuple(each.shape)) for each in tensors(value)) or type(value).__name__
        raise ComponentError(
            f"{metric} takes one label, or one vector of classes, for each of {examples} examples (got {shapes})",
            fix="name a label field of as many examples as there are images",
        )
    return torch.cat(found).long()
