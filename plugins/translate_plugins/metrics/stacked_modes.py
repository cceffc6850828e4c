"""How many classes of stacked digits a generator makes, and how evenly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import images_of, labels_of, not_empty
from translate_plugins.metrics.classifier import GOOD
from translate_plugins.metrics.judge import Judge


class StackedModes:
    """Captured modes and KL of stacked digits (Metz et al. 2016, arXiv 1611.02163; PacGAN, arXiv 1712.04086).

    Every channel of a picture is judged by itself by a small classifier of grey pictures, which is trained on the
    channels of `examples` before anything is measured, always from the same seed (see the metric `classifier`). The
    classes of the channels together are the class of the picture: 10 x 10 x 10 = 1,000 for three digits.

    - `captured`: the number of classes that occur at least once. The papers look at 26,000 samples; among equally
      likely classes, 1,000 samples hold 632 of 1,000.
    - `kl`: KL(p || u) in nats of the histogram p of the classes from the uniform one u. It is not 0 for few samples
      either: about (classes - 1) / (2 samples), and digits are not quite equally frequent.
    - `confidence`: mean of the largest class probability of a channel.
    - `accuracy` (`to` and `to_label`): share of channels of real held-out pictures that the classifier gets right.

    Args:
        classes: Classes of one channel.
        epochs: Passes over the training examples.
        batch_size: Channels of a training step.
        lr: Adam's learning rate.
        fit_count: Training examples, at most; each has a digit in every channel.
        seed: Seed of the weights and of the order.
    """

    def __init__(
        self,
        *,
        classes: Annotated[int, Field(ge=2)] = 10,
        epochs: Annotated[int, Field(ge=1)] = 2,
        batch_size: Annotated[int, Field(ge=1)] = 128,
        lr: Annotated[float, Field(gt=0)] = 1e-3,
        fit_count: Annotated[int, Field(ge=1)] = 20_000,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        del fit_count  # read by the evaluation
        self._classes = classes
        self._judge = Judge("stacked_modes", epochs=epochs, batch_size=batch_size, lr=lr, seed=seed)
        self._channels = 0
        self._seen: list[Tensor] = []
        self._confidence: list[Tensor] = []
        self._right: list[Tensor] = []

    def fit(self, examples: Any, labels: Any) -> None:
        """Keep a batch of training examples, each channel by itself.

        Args:
            examples: Stacks, N x C x H x W in [0, 1].
            labels: Their classes: the channels' digits as one number, the first channel's first.

        Raises:
            ComponentError: They do not belong together, or a label is too large.
        """
        images = images_of("stacked_modes", examples)
        digits = self._digits(labels_of("stacked_modes", labels, len(images)).cpu(), images.shape[1])
        self._judge.keep(images.flatten(0, 1)[:, None], digits.flatten())
        self._channels = images.shape[1]

    def fitted(self) -> None:
        """Train on what was kept.

        Raises:
            ComponentError: There is none, or the images are too small.
        """
        self._judge.train()

    def update(self, of: Any, to: Any = None, to_label: Any = None) -> None:
        """Judge a batch.

        Args:
            of: Stacks to judge, N x C x H x W in [0, 1].
            to: Real held-out stacks, to test the classifier with.
            to_label: The class of each of `to`.

        Raises:
            ComponentError: The images are of other channels or sizes than the examples, or only one of `to` and
                `to_label` is given.
        """
        if (to is None) is not (to_label is None):
            raise ComponentError(
                "stacked_modes needs `to` and `to_label` together", fix="give both, real stacks with their labels"
            )
        seen, confidence = self._look(of)
        powers = self._classes ** torch.arange(self._channels - 1, -1, -1)
        self._seen.append((seen * powers).sum(1))
        self._confidence.append(confidence.flatten())
        if to is not None:
            seen, _ = self._look(to)
            wanted = self._digits(labels_of("stacked_modes", to_label, len(seen)).cpu(), self._channels)
            self._right.append((seen == wanted).double().flatten())

    def compute(self) -> Mapping[str, Any]:
        """The parts.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("stacked_modes", len(self._seen))
        total = self._classes**self._channels
        counts = torch.bincount(torch.cat(self._seen), minlength=total).double()
        shares = counts[counts > 0] / counts.sum()
        found = {
            "captured": float((counts > 0).sum()),
            "kl": float((shares * (shares * total).log()).sum()),
            "confidence": float(torch.cat(self._confidence).mean()),
        }
        return found | ({"accuracy": float(torch.cat(self._right).mean())} if self._right else {})

    def warnings(self) -> list[str]:
        """That there are few samples, or that the classifier is not to be trusted."""
        texts = []
        samples, total = sum(map(len, self._seen)), self._classes**self._channels
        if samples < 5 * total:
            most = total * -math.expm1(samples * math.log1p(-1 / total))
            texts.append(f"{samples} samples of {total} classes: about {most:.0f} are captured where all are as likely")
        if self._right and (share := float(torch.cat(self._right).mean())) < GOOD:
            texts.append(f"the classifier is right on only {share:.0%} of real channels; its other numbers say little")
        return texts

    def _digits(self, labels: Tensor, channels: int) -> Tensor:
        """The class of each channel, N x channels."""
        if len(labels) and int(labels.max()) >= self._classes**channels:
            raise ComponentError(
                f"stacked_modes: label {int(labels.max())} is none of {channels} channels of {self._classes} classes",
                fix="name the label of stacks, or set `classes` to the number of classes of one channel",
            )
        powers = self._classes ** torch.arange(channels - 1, -1, -1)
        return labels[:, None] // powers % self._classes

    def _look(self, value: Any) -> tuple[Tensor, Tensor]:
        """Class and confidence of each channel, N x channels, on the CPU."""
        images = images_of("stacked_modes", value)
        if self._channels and images.shape[1] != self._channels:
            raise ComponentError(
                f"stacked_modes was trained on stacks of {self._channels} channels (got {images.shape[1]})",
                fix="give `examples` and `labels`, with stacks of as many channels as `of`",
            )
        _, seen, probabilities = self._judge.look(images.flatten(0, 1)[:, None])
        confidence = probabilities.amax(1)
        return seen.view(len(images), -1), confidence.view(len(images), -1)
