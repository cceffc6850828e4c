"""Captured classes of stacks: closed forms with a judge that is always right, and what is refused."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.metrics.stacked_modes import StackedModes


def bars(labels: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Stacks of three channels whose class in 0 ... 26 is where each channel's bar stands, with noise."""
    images = torch.rand(len(labels), 3, 20, 20, generator=torch.Generator().manual_seed(seed)) * 0.4
    for image, label in zip(images, labels.tolist(), strict=True):
        for channel, digit in enumerate((label // 9, label // 3 % 3, label % 3)):
            image[channel, 6 * digit : 6 * digit + 4] += 0.6
    return images


@pytest.fixture(scope="module")
def judge() -> StackedModes:
    metric = StackedModes(classes=3, epochs=3, batch_size=16)
    labels = torch.arange(108) % 27
    metric.fit(bars(labels[:50], 1), labels[:50])
    metric.fit(bars(labels[50:], 2), labels[50:])
    metric.fitted()
    return metric


def found(judge: StackedModes, labels: torch.Tensor) -> dict[str, float]:
    metric = copy.deepcopy(judge)
    for part in labels.split(40):
        metric.update(bars(part, 3))
    return dict(metric.compute())


def test_all_classes_alike_are_all_captured_at_no_divergence(judge):
    values = found(judge, torch.arange(81) % 27)
    assert values["captured"] == 27
    assert values["kl"] == pytest.approx(0, abs=1e-12)
    assert values["confidence"] > 0.9
    assert "accuracy" not in values


def test_one_class_has_the_largest_divergence(judge):
    values = found(judge, torch.full((50,), 14))
    assert values["captured"] == 1
    assert values["kl"] == pytest.approx(math.log(27))


def test_the_divergence_is_that_of_the_histogram(judge):
    values = found(judge, torch.tensor([0] * 6 + [13] * 3 + [26] * 1))
    assert values["captured"] == 3
    shares = (0.6, 0.3, 0.1)
    assert values["kl"] == pytest.approx(sum(p * math.log(p * 27) for p in shares))


def test_the_judge_is_tested_on_real_stacks(judge):
    metric, labels = copy.deepcopy(judge), torch.arange(54) % 27
    wrong = labels.clone()
    wrong[:27] = (wrong[:27] + 9) % 27  # another first digit: one of three channels in half of the stacks
    metric.update(bars(labels, 4), bars(labels, 5), wrong)
    assert metric.compute()["accuracy"] == pytest.approx(5 / 6)
    assert any("right on only 83%" in text for text in metric.warnings())
    assert any("54 samples of 27 classes: about 23 are captured" in text for text in metric.warnings())


def test_enough_samples_and_a_good_judge_give_no_warning(judge):
    metric, labels = copy.deepcopy(judge), torch.arange(135) % 27
    metric.update(bars(labels, 6), bars(labels, 7), labels)
    assert metric.compute()["accuracy"] == 1
    assert metric.warnings() == []


def test_it_repeats_itself():
    labels = torch.arange(27)
    values = []
    for _ in range(2):
        metric = StackedModes(classes=3, epochs=1)
        metric.fit(bars(labels), labels)
        metric.fitted()
        metric.update(bars(labels, 8))
        values.append(metric.compute())
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"of": torch.rand(2, 1, 20, 20)}, "trained on stacks of 3 channels .got 1"),
        ({"of": torch.rand(2, 3, 20, 20), "to": torch.rand(2, 3, 20, 20)}, "`to` and `to_label` together"),
        (
            {"of": torch.rand(2, 3, 20, 20), "to": torch.rand(2, 3, 20, 20), "to_label": torch.tensor([0, 27])},
            "label 27 is none of 3 channels of 3 classes",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(judge, values, message):
    with pytest.raises(ComponentError, match=message):
        copy.deepcopy(judge).update(**values)


def test_nothing_seen_is_refused():
    with pytest.raises(ComponentError, match="seen no examples"):
        StackedModes().fitted()
    with pytest.raises(ComponentError, match="seen no examples"):
        StackedModes().compute()
