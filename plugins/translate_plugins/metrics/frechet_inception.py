"""Frechet Inception distance."""

from __future__ import annotations

from typing import Any, Final

from translate_plugins.metrics.checks import at_least_two
from translate_plugins.metrics.inception import Sides, missing_inception

ENOUGH: Final = 2048


class FrechetInception:
    """Frechet Inception distance, FID (Heusel et al. 2017, arXiv 1706.08500, equation 6); smaller is better.

    Torchmetrics' on torch-fidelity's port of the original Inception weights (2048 features; images rounded to 8 bits
    and enlarged to 299 pixels with antialiasing, which the original has not). The package and the weights are not
    installed with this one and never downloaded: without them the metric is unavailable. It is too large for small sets
    (Binkowski et al. 2018, arXiv 1801.01401, section 4): below 2048 examples, where the covariance is singular, use
    kernel_inception.
    """

    def __init__(self) -> None:
        self._sides = Sides("frechet_inception", _metric)

    def unavailable(self) -> str | None:
        """What is missing on this machine."""
        return missing_inception()

    def update(self, of: Any, to: Any) -> None:
        """Add a batch.

        Args:
            of: Outputs, N x C x H x W in [0, 1], grey or RGB, or lists of them.
            to: Real images.

        Raises:
            ComponentError: They are no grey or RGB images.
        """
        self._sides.update(of, to)

    def compute(self) -> float:
        """The distance.

        Raises:
            ComponentError: Fewer than two examples were seen.
        """
        at_least_two("frechet_inception", min(self._sides.of, self._sides.to))
        return max(0.0, float(self._sides.inner.compute()))

    def warnings(self) -> list[str]:
        """That the sets are small."""
        few = min(self._sides.of, self._sides.to)
        text = f"FID of {few} examples is mostly the error of small sets (it needs {ENOUGH}): use kernel_inception"
        return [text] if few < ENOUGH else []


def _metric() -> Any:
    from torchmetrics.image.fid import FrechetInceptionDistance  # slow to import

    return FrechetInceptionDistance(feature=2048)
