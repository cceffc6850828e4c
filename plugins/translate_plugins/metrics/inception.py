"""What the metrics in Inception's features share: the network, and whether it can be had."""

from __future__ import annotations

import importlib.util
from typing import Any, Final

import torch
from torch import Tensor

from translate_plugins.metrics.checks import images_of
from translate_plugins.metrics.colour import as_rgb
from translate_plugins.metrics.weights import known_randomness, missing_weights, refuse_code, weights_path

PACKAGE: Final = "torch_fidelity"
URL: Final = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)


def missing_inception() -> str | None:
    """What is needed for features of FID's Inception network and is not there; None where all is."""
    if importlib.util.find_spec(PACKAGE) is None:
        return (
            f"it needs the package torch-fidelity (`pip install torch-fidelity`), and {URL} at {weights_path(URL)}; "
            "nothing is downloaded here"
        )
    return missing_weights(URL)


class Sides:
    """The two sets of a distance in Inception's features, in torchmetrics' hands.

    Args:
        metric: Name of the metric, for errors.
        factory: Makes torchmetrics' metric.
    """

    def __init__(self, metric: str, factory: Any) -> None:
        self._metric = metric
        self._factory = factory
        self._inner: Any = None
        self.of = 0
        self.to = 0

    @property
    def inner(self) -> Any:
        """Torchmetrics' metric; it is made, and the weights are read, when the first batch comes."""
        return self._inner

    def update(self, of: Any, to: Any) -> None:
        """Add a batch of each set.

        Raises:
            ComponentError: They are no grey or RGB images.
            ModelFileError: The weights cannot be read.
        """
        outputs, targets = images_of(self._metric, of), images_of(self._metric, to)
        if self._inner is None:
            refuse_code(URL)
            with known_randomness():
                self._inner = self._factory()
            self._inner = self._inner.to(outputs.device)
        self.of += len(outputs)
        self.to += len(targets)
        self._inner.update(self._bytes(outputs), real=False)
        self._inner.update(self._bytes(targets), real=True)

    def _bytes(self, images: Tensor) -> Tensor:
        # torchmetrics' own conversion cuts off where it should round.
        return (as_rgb(self._metric, images) * 255).round().to(torch.uint8)
