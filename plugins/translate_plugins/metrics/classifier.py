"""Judging generated pictures by a small classifier that is trained on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.assignment import matched
from translate_plugins.metrics.checks import at_least_two, images_of, labels_of, not_empty
from translate_plugins.metrics.classifier_network import FEATURES
from translate_plugins.metrics.frechet import frechet_distance, frechet_interval
from translate_plugins.metrics.judge import Judge

FEW: Final = 2 * FEATURES  # examples below which a covariance of the features says little
GOOD: Final = 0.9  # accuracy of the classifier below which its word counts little
SHARE: Final = 0.02
_HALVES: Final = 0x6861_6C66


class Classifier:
    """Class agreement, Frechet distance and spread over classes, in the eyes of a small classifier.

    The classifier (conv16k5 - pool - conv32k5 - pool - fc64 - fc, Adam, cross-entropy) is trained on `examples` and
    `labels` of the training split before anything is measured, always from the same seed; metrics with the same
    choices and the same `examples` and `labels` share it. On MNIST it is right on 98 % of the test digits. No weights
    are downloaded, but its numbers compare only with those of the same data and choices: quote Frechet distances beside
    a control, such as that of blurred real images.

    Parts, each where its expressions are given:

    - `agreement` (`label` or `partner`): share of `of` in whose picture the classifier sees the label asked for, or the
      class that it sees in the partner picture.
    - `named` (`code`): share of `of` in whose picture the classifier sees the class that its code stands for, by the
      best one-to-one assignment of codes to classes on the same examples (InfoGAN's categories).
    - `confidence`: mean of the largest class probability of `of`. `classes`: number of classes with more than 2 % of
      `of`; below the true number, modes are missing.
    - `score`: exp(E KL(p(class | x) || p(class))) of `of`, the Inception score (Salimans et al. 2016, arXiv 1606.03498,
      section 4) with this classifier in Inception's place: the number of classes where each is drawn clearly and as
      often as any other, 1 where all examples are alike. It never looks at real images.
    - `frechet` (`to`): squared Frechet distance of the 64 features of the last hidden layer between `of` and `to` (as
      FID, Heusel et al. 2017, arXiv 1706.08500, equation 6, with covariances divided by n - 1). It is too large for
      small sets, the more the fewer they are: compare distances of equally many examples only. `floor` is the distance
      between two random halves of `to`: real against real, with the error of half the examples.
    - `accuracy` (`to` and `to_label`): share of real held-out images that the classifier gets right. It bounds what
      agreement can be.

    Args:
        epochs: Passes over the training examples.
        batch_size: Examples of a training step.
        lr: Adam's learning rate.
        fit_count: Training examples, at most; taken at even distances. They are kept in 8 bits.
        seed: Seed of the weights and of the order.
    """

    def __init__(
        self,
        *,
        epochs: Annotated[int, Field(ge=1)] = 2,
        batch_size: Annotated[int, Field(ge=1)] = 128,
        lr: Annotated[float, Field(gt=0)] = 1e-3,
        fit_count: Annotated[int, Field(ge=1)] = 60_000,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        del fit_count  # read by the evaluation
        self._judge = Judge("classifier", epochs=epochs, batch_size=batch_size, lr=lr, seed=seed)
        self._of: list[Tensor] = []
        self._to: list[Tensor] = []
        self._seen: list[Tensor] = []
        self._codes: list[Tensor] = []
        self._probabilities: list[Tensor] = []
        self._found: dict[str, list[Tensor]] = {"agreement": [], "accuracy": []}

    def fit(self, examples: Any, labels: Any) -> None:
        """Keep a batch of training examples.

        Args:
            examples: Images, N x C x H x W in [0, 1], or lists of them.
            labels: The class of each: labels, one-hot vectors, or lists of them.

        Raises:
            ComponentError: They do not belong together.
        """
        images = images_of("classifier", examples)
        self._judge.keep(images, labels_of("classifier", labels, len(images)))

    def fitted(self) -> None:
        """Train on what was kept.

        Raises:
            ComponentError: There is none, or the images are too small.
        """
        self._judge.train()

    def update(
        self, of: Any, to: Any = None, label: Any = None, partner: Any = None, to_label: Any = None, code: Any = None
    ) -> None:
        """Judge a batch.

        Args:
            of: Images to judge, N x C x H x W in [0, 1], or lists of them.
            to: Real held-out images for the Frechet distance; as many as there are, or none.
            label: The class that each of `of` should have: labels, one-hot vectors, or lists of them.
            partner: The image with whose class each of `of` should agree; instead of `label`.
            to_label: The class of each of `to`.
            code: The category that each of `of` was made with, which has no name yet: labels or one-hot vectors.

        Raises:
            ComponentError: Shapes do not fit, both `label` and `partner` are given, or `to_label` without `to`.
        """
        if label is not None and partner is not None:
            raise ComponentError(
                "classifier compares with `label` or with `partner`, not both", fix="remove one of them"
            )
        if to_label is not None and to is None:
            raise ComponentError(
                "classifier got `to_label` without `to`", fix="add `to: FIELD`, the images it belongs to"
            )
        features, seen, probabilities = self._look(of)
        self._of.append(features)
        self._seen.append(seen)
        self._probabilities.append(probabilities)
        if partner is not None:
            self._agree(seen, self._look(partner)[1])
        elif label is not None:
            self._agree(seen, labels_of("classifier", label, len(seen)).cpu())
        if code is not None:
            self._codes.append(labels_of("classifier", code, len(seen)).cpu())
        if to is not None:
            features, seen, _ = self._look(to)
            self._to.append(features)
            if to_label is not None:
                right = seen == labels_of("classifier", to_label, len(seen)).cpu()
                self._found["accuracy"].append(right.double())

    def compute(self) -> Mapping[str, Any]:
        """The parts.

        Raises:
            ComponentError: No example was seen, or fewer than two for a Frechet distance.
        """
        not_empty("classifier", len(self._of))
        shares = torch.bincount(torch.cat(self._seen)) / sum(map(len, self._seen))
        each = {name: torch.cat(values) for name, values in self._found.items() if values}
        parts: dict[str, Any] = {"agreement": each["agreement"]} if "agreement" in each else {}
        probabilities = torch.cat(self._probabilities)
        parts |= {"confidence": probabilities.amax(1), "score": _score(probabilities)}
        if self._codes:
            parts["named"] = matched(torch.cat(self._codes), torch.cat(self._seen))
        parts["classes"] = float((shares > SHARE).sum())
        if self._to:
            of, to = torch.cat(self._of), torch.cat(self._to)
            at_least_two("the Frechet distance of classifier", min(len(of), len(to)))
            value = frechet_distance(of, to)
            parts["frechet"] = (value, frechet_interval(value, of, to))
            if len(to) >= 4:
                order = torch.randperm(len(to), generator=torch.Generator().manual_seed(_HALVES))
                parts["floor"] = frechet_distance(*(to[half] for half in order.chunk(2)))
        return parts | {name: each[name] for name in ("accuracy",) if name in each}

    def warnings(self) -> list[str]:
        """That sets are small, or that the classifier itself is not to be trusted."""
        texts = []
        counts = [sum(map(len, each)) for each in (self._of, self._to)]
        if self._to and min(counts) < FEW:
            texts.append(
                f"the Frechet distance of {counts[0]} and {counts[1]} examples is mostly the error of small sets (at "
                f"least {FEW} are advisable, twice the number of features)"
            )
        accuracy = self._found["accuracy"]
        if not accuracy:
            texts.append("the classifier was not tested: give `to` and `to_label`, real images with their labels")
        elif (share := float(torch.cat(accuracy).mean())) < GOOD:
            texts.append(f"the classifier is right on only {share:.0%} of real images; its other numbers say little")
        return texts

    def _agree(self, seen: Tensor, wanted: Tensor) -> None:
        if len(seen) != len(wanted):
            raise ComponentError(
                f"classifier compares as many partners as images (got {len(seen)} and {len(wanted)})",
                fix="give `of` and `partner` the same number of images",
            )
        self._found["agreement"].append((seen == wanted).double())

    def _look(self, value: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Features, class and probabilities of each image, on the CPU."""
        return self._judge.look(images_of("classifier", value))


def _score(probabilities: Tensor) -> float:
    """Exp of the mean divergence of each example's classes from those of all, N x classes."""
    together = torch.special.entr(probabilities.mean(0)).sum()
    each = torch.special.entr(probabilities).sum(1).mean()
    return float((together - each).exp())
