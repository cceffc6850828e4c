"""Kernel Inception distance."""

from __future__ import annotations

import warnings
from typing import Annotated, Any

from pydantic import Field

from translate_plugins.metrics.checks import at_least_two
from translate_plugins.metrics.inception import Sides, missing_inception
from translate_plugins.metrics.weights import known_randomness


class KernelInception:
    """Kernel Inception distance, KID (Binkowski et al. 2018, arXiv 1801.01401, section 4); smaller is better.

    Squared maximum mean discrepancy under the kernel (x.y / 2048 + 1)^3 of Inception's features, without bias: equal
    distributions give 0 on average whatever the number of examples, and single values may be below. Mean over random
    subsets, which are the same at every call. Torchmetrics' on torch-fidelity's port of the Inception weights; neither
    the package nor the weights are installed with this one or downloaded: without them the metric is unavailable.

    Args:
        subsets: Number of subsets; the paper's 100.
        subset_size: Examples of each; the paper's 1000, and all of them where there are fewer.
    """

    def __init__(
        self, *, subsets: Annotated[int, Field(ge=1)] = 100, subset_size: Annotated[int, Field(ge=2)] = 1000
    ) -> None:
        self._subset_size = subset_size
        self._sides = Sides("kernel_inception", lambda: _metric(subsets, subset_size))

    def unavailable(self) -> str | None:
        """What is missing on this machine."""
        return missing_inception()

    def update(self, of: Any, to: Any) -> None:
        """Add a batch; 2048 numbers are kept for each image.

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
        few = min(self._sides.of, self._sides.to)
        at_least_two("kernel_inception", few)
        self._sides.inner.subset_size = min(self._subset_size, few)
        with known_randomness():  # the subsets are drawn from the global generator
            mean, _ = self._sides.inner.compute()
        return float(mean)


def _metric(subsets: int, subset_size: int) -> Any:
    from torchmetrics.image.kid import KernelInceptionDistance  # slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that features are kept
        return KernelInceptionDistance(feature=2048, subsets=subsets, subset_size=subset_size)
