"""Accuracy of label maps that are painted in a few colours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import images_of, not_empty, same_shape
from translate_plugins.metrics.resampling import Weights, resampled_interval

Counts = np.ndarray[Any, np.dtype[np.int64]]
Colour = Annotated[Sequence[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1, max_length=4)]

MOST_COLOURS: Final = 64
_MOST_COUNTED: Final = 200_000  # different colours; label maps have dozens, with blended edges thousands
_COVERED: Final = 0.5  # share of pixels that the palette must hold exactly: less, and these are no label maps
_EXACT: Final = 0.98  # share below which many pixels are blends of colours
_APART: Final = 16  # of 255: nearer colours are blends or noise of the commoner one


class PaletteAccuracy:
    """Pixel accuracy, class accuracy and class IOU of label maps (Long et al. 2015, arXiv 1411.4038, section 5).

    The class of a pixel, in the output and in the truth, is the nearest colour of the palette. `pixel` is the share of
    pixels of the right class; `class` the mean over classes of the share of their pixels that were found; `iou` the
    mean over classes of intersection over union; both over all pixels of the set, and, where the paper counts all
    classes, over those that occur in the truth. `majority` is what naming the commonest class of the truth everywhere
    would get: an accuracy below it is worth nothing.

    The palette is given, or read from label maps of the training split with `examples: FIELD`: all colours that make up
    a thousandth of the pixels, up to 64, without those that lie within 16 of a commoner one. It needs exact colours:
    label maps resized with `nearest`, and no JPEG.

    Args:
        palette: Colours, each of as many numbers from 0 to 255 as the label maps have channels; null = read from
            `examples`.
        least_share: Smallest share of the pixels that makes a colour of the examples part of the palette.
        fit_count: Training examples that the palette is read from, at most.
    """

    def __init__(
        self,
        *,
        palette: Annotated[Sequence[Colour], Field(min_length=2)] | None = None,
        least_share: Annotated[float, Field(gt=0, lt=1)] = 0.001,
        fit_count: Annotated[int, Field(ge=1)] = 200,
    ) -> None:
        if palette and len({len(colour) for colour in palette}) > 1:
            raise ComponentError(
                "the colours of a palette have different numbers of values", fix="write [r, g, b] each"
            )
        self._palette = [tuple(colour) for colour in palette or ()]
        self._given = palette is not None
        self._least_share = least_share
        self._colours: Counter[tuple[int, ...]] = Counter()
        self._held = 1.0
        self._parts: list[tuple[Counts, Counts, Counts]] = []
        self._pixels = 0

    def fit(self, examples: Any = None) -> None:
        """Count the colours of label maps.

        Args:
            examples: Label maps, N x C x H x W in [0, 1], or lists of them; not read where the palette is given.

        Raises:
            ComponentError: They are no label maps.
        """
        if self._given or examples is None:
            return
        values = (images_of("palette_accuracy", examples) * 255).round().to(torch.uint8)
        colours, counts = torch.unique(values.movedim(1, -1).flatten(0, 2).cpu(), dim=0, return_counts=True)
        for colour, count in zip(colours.tolist(), counts.tolist(), strict=True):
            self._colours[tuple(colour)] += count
        if len(self._colours) > _MOST_COUNTED:
            raise self._no_labels(f"they have more than {_MOST_COUNTED} colours")

    def fitted(self) -> None:
        """Take the commonest colours.

        Raises:
            ComponentError: The examples are no label maps.
        """
        if self._given:
            return
        total = self._colours.total()
        for colour, count in self._colours.most_common():
            if count < self._least_share * total or len(self._palette) == MOST_COLOURS:
                break
            if all(math.dist(colour, other) > _APART for other in self._palette):
                self._palette.append(colour)
        self._held = sum(self._colours[colour] for colour in self._palette) / total if total else 0.0
        if len(self._palette) < 2 or self._held < _COVERED:
            raise self._no_labels(f"{len(self._palette)} colours hold {self._held:.0%} of their pixels")
        self._colours.clear()

    def update(self, of: Any, to: Any) -> None:
        """Count the pixels of a batch.

        Args:
            of: Label maps as the model paints them, N x C x H x W in [0, 1], or lists of them.
            to: The true ones, same shape.

        Raises:
            ComponentError: The shapes differ, or there is no palette for them.
        """
        of, to = images_of("palette_accuracy", of), images_of("palette_accuracy", to)
        same_shape("palette_accuracy", of, to)
        if not self._palette or len(self._palette[0]) != of.shape[1]:
            found = f"one of {len(self._palette[0])}" if self._palette else "none"
            raise ComponentError(
                f"palette_accuracy needs a palette of {of.shape[1]} values a colour (got {found})",
                fix="give `palette: [[r, g, b], ...]`, or `examples: FIELD` with the label maps of the training split",
            )
        said, true = self._classes(of), self._classes(to)
        size = len(self._palette)
        self._pixels = said.shape[1]
        right = torch.where(said == true, true, size)  # wrong pixels have a class that is not counted
        self._parts.append((_histograms(right, size), _histograms(true, size), _histograms(said, size)))

    def compute(self) -> Mapping[str, Any]:
        """`pixel`, `class`, `iou` and `majority`.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("palette_accuracy", len(self._parts))
        right, true, said = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        parts: dict[str, Any] = {"pixel": right.sum(1) / self._pixels}
        for name, statistic in (("class", _class_accuracy), ("iou", _class_iou)):

            def resampled(weights: Weights, statistic: Any = statistic) -> float:
                return float(statistic(weights @ right, weights @ true, weights @ said))

            value = resampled(np.ones(len(true)))
            parts[name] = (value, resampled_interval(value, resampled, [len(true)]))
        parts["majority"] = true[:, true.sum(0).argmax()] / self._pixels
        return parts

    def warnings(self) -> list[str]:
        """That the palette was read from blended colours."""
        if self._held >= _EXACT:
            return []
        found = f"{len(self._palette)} colours were read from the examples and hold {self._held:.0%} of their pixels"
        return [f"{found}; the rest are blends: resize label maps with `data.interpolation: {{FIELD: nearest}}`"]

    def _classes(self, images: Tensor) -> Tensor:
        """Index of the nearest colour at each pixel, N x (H W); of equally near ones the first."""
        best = torch.full_like(images[:, 0], torch.inf)
        index = torch.zeros_like(best, dtype=torch.int64)
        for number, colour in enumerate(self._palette):
            apart = (images * 255 - images.new_tensor(colour)[:, None, None]).square().sum(1)
            nearer = apart < best
            best, index = torch.where(nearer, apart, best), torch.where(nearer, number, index)
        return index.flatten(1)

    def _no_labels(self, found: str) -> ComponentError:
        return ComponentError(
            f"palette_accuracy read its palette from what are no label maps: {found}",
            fix="name the field of the label maps, resize it with `data.interpolation: {FIELD: nearest}`, "
            "or give `palette: [[r, g, b], ...]`",
        )


def _histograms(classes: Tensor, size: int) -> Counts:
    """How often each class occurs in each example; indices from `size` on are not counted. N x size."""
    rows = classes.cpu() + torch.arange(len(classes))[:, None] * (size + 1)
    counts = torch.bincount(rows.flatten(), minlength=len(classes) * (size + 1)).view(len(classes), size + 1)
    return counts[:, :size].numpy()


def _class_accuracy(right: Weights, true: Weights, _said: Weights) -> float:
    there = true > 0
    return float((right[there] / true[there]).mean())


def _class_iou(right: Weights, true: Weights, said: Weights) -> float:
    there = true > 0
    return float((right[there] / (true + said - right)[there]).mean())
