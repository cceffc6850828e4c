"""Feature matching."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Literal

from torch import Tensor

from translate_plugins.losses.nested import Nested, leaves, paired_total, precise

_DISTANCES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "l1": lambda a, b: (a - b).abs(),
    "l2": lambda a, b: (a - b).square(),
}


class FeatureMatching:
    """Match the discriminator's features of fake examples to those of real ones.

    `values` with `l1`: pix2pixHD (Wang et al. 2017, arXiv 1711.11585, equation 4; weight 10 there). The distance is
    averaged over the elements of a feature and summed over layers and scales, as in the equation; the authors' code
    also divides by the number of scales. `batch_mean` with `l2`: DiscoGAN's code (Kim et al. 2017, arXiv 1703.05192),
    after Salimans et al. 2016, section 3.1: each feature is first averaged over the batch, so that the examples need
    not be pairs.

    Counts on the generators' side only; no gradient flows to `to`. Write
    `{loss: feature_matching, of: judged_fake.features, to: judged_real.features}`.

    Args:
        match: Compare examples one by one, or the means over the batch. One by one they must be seen alike: not through
            `augment`, which moves each of them elsewhere.
        distance: Absolute or squared difference.
    """

    compares_places: ClassVar[Mapping[str, str]] = {"match": "values"}

    def __init__(
        self, *, match: Literal["values", "batch_mean"] = "values", distance: Literal["l1", "l2"] = "l1"
    ) -> None:
        self.batch_mean = match == "batch_mean"
        self.distance = _DISTANCES[distance]

    def generator(self, of: Nested, to: Nested) -> Tensor:
        """Features of fakes to those of real examples.

        Raises:
            ComponentError: Not the same features.
        """
        found, wanted = list(leaves(of)), [feature.detach() for feature in leaves(to)]
        if self.batch_mean:
            found, wanted = ([precise(feature).mean(0) for feature in side] for side in (found, wanted))
        return paired_total(found, wanted, self.distance)
