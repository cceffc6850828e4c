"""How different the outputs of one class are from one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.metrics.checks import images_of, labels_of, not_empty

_NOTHING: Final = 1e-12  # variance of a pixel that rounding may leave of equal pictures


class ClassDiversity:
    """Variance of outputs within each class, divided by that of real examples of the class.

    Mean over all pixels of the variance across the examples of a class: about 1 where a class-conditional generator
    draws a class as variously as the data has it, 0 where it has one picture for each class, which agreement with the
    label asked for does not notice. Above 1: noise, or pictures of other classes among them. `ratio` is the mean over
    classes, `least` and `most` those of the class that varies least and most beside its real examples. Counted are
    classes of which there are two examples on both sides, and whose real examples differ. No paper.
    """

    def __init__(self) -> None:
        self._of = _Moments()
        self._to = _Moments()

    def update(self, of: Any, label: Any, to: Any, to_label: Any) -> None:
        """Add a batch.

        Args:
            of: Outputs, N x C x H x W in [0, 1], or lists of them.
            label: The class that each of them was asked for: labels, one-hot vectors, or lists of them.
            to: Real images of the same channels and size.
            to_label: The class of each of them.

        Raises:
            ComponentError: The shapes differ, or labels and images do not belong together.
        """
        first, second = images_of("class_diversity", of), images_of("class_diversity", to)
        if first.shape[1:] != second.shape[1:]:
            raise ComponentError(
                f"class_diversity compares images of one shape (got {tuple(first.shape)} and {tuple(second.shape)})",
                fix="name two image fields of the same channels and size",
            )
        self._of.add(first, labels_of("class_diversity", label, len(first)))
        self._to.add(second, labels_of("class_diversity", to_label, len(second)))

    def compute(self) -> Mapping[str, float]:
        """`ratio`, `least` and `most`; nothing where no class counts.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("class_diversity", self._of.examples)
        ratios = list(self._ratios().values())
        return {"ratio": sum(ratios) / len(ratios), "least": min(ratios), "most": max(ratios)} if ratios else {}

    def warnings(self) -> list[str]:
        """That classes do not count."""
        seen, counted = self._to.classes(), self._ratios()
        missing = [str(index) for index in seen if index not in counted]
        if not missing:
            return []
        needed = "each needs two different real examples and two outputs; evaluate on more examples"
        return [f"classes {', '.join(missing)} are not counted: {needed}"]

    def _ratios(self) -> dict[int, float]:
        of, to = self._of.variances(), self._to.variances()
        return {index: of[index] / to[index] for index in sorted(of.keys() & to.keys()) if to[index] > _NOTHING}


class _Moments:
    """Sums of the values of each class and of their squares, in float64: exact enough for values in [0, 1]."""

    def __init__(self) -> None:
        self.examples = 0
        self._sums: Tensor | None = None

    def add(self, images: Tensor, labels: Tensor) -> None:
        values = images.double().flatten(1).cpu()
        labels = labels.cpu()
        self.examples += len(labels)
        size = int(labels.max()) + 1
        chosen = F.one_hot(labels, size).double().T
        count = chosen.sum(1, keepdim=True).expand(-1, values.shape[1])
        sums = torch.stack([count, chosen @ values, chosen @ values.square()], dim=1)
        if self._sums is not None:
            most = max(size, len(self._sums))
            sums = _longer(sums, most) + _longer(self._sums, most)
        self._sums = sums

    def classes(self) -> list[int]:
        """Those of which there are examples."""
        return [] if self._sums is None else [index for index, row in enumerate(self._sums) if row[0, 0]]

    def variances(self) -> dict[int, float]:
        """Of each class with two examples at least, the mean over pixels of the variance."""
        if self._sums is None:
            return {}
        count, sums, squares = self._sums.unbind(1)
        spread = ((squares - sums.square() / count.clamp(min=1)) / (count - 1).clamp(min=1)).mean(1)
        return {index: max(0.0, float(spread[index])) for index in range(len(count)) if count[index, 0] >= 2}


def _longer(rows: Tensor, count: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(count - len(rows), *rows.shape[1:])])
