"""Accuracy of a network of the pipeline as a classifier, with its classes named by others or by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.assignment import matched
from translate_plugins.metrics.checks import labels_of, not_empty


class ClassAccuracy:
    """How often the class that a network of the pipeline sees is the true one.

    - `accuracy`: share of examples whose largest logit is that of their class, as AC-GAN's auxiliary classifier is
      judged (Odena et al. 2016, arXiv 1610.09585).
    - `matched`: the same where the network chose the numbers of its classes itself, as InfoGAN's code does (Chen et al.
      2016, arXiv 1606.03657, section 7.2: 5 % error on MNIST): the best of all one-to-one assignments of its classes
      to the true ones, found exactly by the Hungarian method on the same examples. It cannot be below one share of the
      number of classes, and small sets flatter it.
    """

    def __init__(self) -> None:
        self._said: list[Tensor] = []
        self._true: list[Tensor] = []
        self._classes = 0

    def update(self, of: Any, to: Any) -> None:
        """Add a batch.

        Args:
            of: What the network says: logits or probabilities, N x K.
            to: The true classes: labels, or one-hot vectors.

        Raises:
            ComponentError: They do not belong together.
        """
        if not isinstance(of, Tensor) or of.ndim != 2 or not of.is_floating_point():
            found = tuple(of.shape) if isinstance(of, Tensor) else type(of).__name__
            raise ComponentError(
                f"class_accuracy takes logits, one row for each example (got {found})",
                fix="name the output of a classifier, N x classes",
            )
        self._classes = max(self._classes, of.shape[1])
        self._said.append(labels_of("class_accuracy", of, len(of)).cpu())
        self._true.append(labels_of("class_accuracy", to, len(of)).cpu())

    def compute(self) -> Mapping[str, Tensor]:
        """`accuracy` and `matched`, of each example.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("class_accuracy", len(self._said))
        said, true = torch.cat(self._said), torch.cat(self._true)
        return {"accuracy": (said == true).double(), "matched": matched(said, true, classes=self._classes)}
