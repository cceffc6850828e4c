"""A small classifier that a metric trains on what it is shown, and asks about what it measures."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import not_empty
from translate_plugins.metrics.classifier_network import SmallClassifier, repeatable, train_classifier


class Judge:
    """Keeps training examples, trains on them, and looks at other images.

    Args:
        metric: Whose it is, for messages.
        epochs: Passes over the training examples.
        batch_size: Examples of a training step.
        lr: Adam's learning rate.
        seed: Seed of the weights and of the order.
    """

    def __init__(self, metric: str, *, epochs: int, batch_size: int, lr: float, seed: int) -> None:
        self._metric, self._epochs, self._batch_size, self._lr, self._seed = metric, epochs, batch_size, lr, seed
        self._images: list[Tensor] = []
        self._labels: list[Tensor] = []
        self._device = torch.device("cpu")
        self.network: SmallClassifier | None = None

    def keep(self, images: Tensor, labels: Tensor) -> None:
        """Keep a batch of training examples, in 8 bits on the CPU; training is where the images were.

        Args:
            images: N x C x H x W in [0, 1].
            labels: N int64.
        """
        self._device = images.device
        self._labels.append(labels.cpu())
        self._images.append((images * 255).round().to(torch.uint8).cpu())

    def train(self) -> None:
        """Train on what was kept, which is let go.

        Raises:
            ComponentError: There is none, or the images are too small.
        """
        not_empty(self._metric, len(self._images))
        images, labels = torch.cat(self._images), torch.cat(self._labels)
        self._images, self._labels = [], []
        self.network = train_classifier(
            images,
            labels,
            self._device,
            epochs=self._epochs,
            batch_size=self._batch_size,
            lr=self._lr,
            seed=self._seed,
        )

    def look(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (N x 64), class (N) and probabilities (N x classes) of images, on the CPU.

        Args:
            images: N x C x H x W in [0, 1].

        Raises:
            ComponentError: It was trained on images of another shape, or not at all.
        """
        network = self.network
        if network is None or tuple(images.shape[1:]) != network.shape:
            trained = "nothing" if network is None else "x".join(map(str, network.shape))
            raise ComponentError(
                f"{self._metric} was trained on images of {trained} (got {'x'.join(map(str, images.shape[1:]))})",
                fix="give `examples` and `labels`, with images of the same channels and size as those to judge",
            )
        with torch.no_grad(), repeatable():
            features = network.features(images.float())
            probabilities = network(features).softmax(1)
        return features.double().cpu(), probabilities.argmax(1).cpu(), probabilities.double().cpu()
