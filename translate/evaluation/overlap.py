"""Held-out pictures that are in the training data too, found by the hash of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


class Overlap:
    """Counts held-out examples with a picture that the training data holds too, bit for bit at the pipeline's size.

    Fields are compared each with itself. A picture of one colour (an empty label map) is never counted: it is equal to
    others without being the same picture.

    Args:
        fields: Names of the image fields.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._fields = tuple(fields)
        self._held_out: dict[tuple[str, bytes], list[int]] = {}
        self._found: set[int] = set()

    def hold_out(self, first: int, batch: Mapping[str, Tensor]) -> None:
        """Note the pictures of held-out examples, before any of training."""
        for name in self._fields:
            for offset, digest in enumerate(digests(batch[name])):
                if digest is not None:
                    self._held_out.setdefault((name, digest), []).append(first + offset)

    def train(self, batch: Mapping[str, Tensor]) -> None:
        """Look at pictures of training examples."""
        for name in self._fields:
            for digest in digests(batch[name]):
                if digest is not None:
                    self._found.update(self._held_out.get((name, digest), ()))

    @property
    def examples(self) -> list[int]:
        """Indices of the held-out examples found in the training data so far."""
        return sorted(self._found)


def digests(images: Tensor) -> list[bytes | None]:
    """A hash of each image's content; None for an image of one colour."""
    flat = images.detach().to("cpu", torch.float32).flatten(2)
    plain = (flat.amax(2) == flat.amin(2)).all(1).tolist()
    return [
        None if one_colour else hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()
        for image, one_colour in zip(flat, plain, strict=True)
    ]
