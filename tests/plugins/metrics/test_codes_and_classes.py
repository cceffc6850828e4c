"""Metrics of classes and codes: the assignment, accuracy by names and by match, correlations, variance within."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.metrics.assignment import best_assignment
from translate_plugins.metrics.class_accuracy import ClassAccuracy
from translate_plugins.metrics.class_diversity import ClassDiversity
from translate_plugins.metrics.code_correlation import CodeCorrelation


@pytest.mark.parametrize("seed", range(40))
def test_an_assignment_is_the_best_of_all(seed):
    generator = np.random.default_rng(seed)
    rows = int(generator.integers(1, 6))
    columns = rows + int(generator.integers(0, 3))
    gains = generator.integers(-5, 9, (rows, columns))
    chosen = best_assignment(gains)
    assert len(set(chosen)) == rows
    best = max(sum(gains[i, c] for i, c in enumerate(order)) for order in permutations(range(columns), rows))
    assert sum(gains[i, c] for i, c in enumerate(chosen)) == best


def test_an_assignment_of_twenty_classes_finds_a_hidden_permutation():
    order = np.random.default_rng(0).permutation(20)
    gains = np.random.default_rng(1).random((20, 20))
    gains[range(20), order] += 1
    assert best_assignment(gains) == order.tolist()


def test_more_rows_than_columns_are_refused():
    with pytest.raises(ValueError, match="3 rows cannot have a column each of 2"):
        best_assignment(np.zeros((3, 2)))


def shares(metric: ClassAccuracy) -> tuple[float, float]:
    found = metric.compute()
    return float(found["accuracy"].mean()), float(found["matched"].mean())


def test_classes_of_the_networks_own_naming_are_matched_one_to_one():
    metric = ClassAccuracy()
    true = torch.arange(10).repeat(5)
    said = (true + 3) % 10
    said[:5] = 0  # classes 0 to 4 of the first round are all called 0
    metric.update(torch.eye(10)[said[:30]], true[:30])
    metric.update(torch.eye(10)[said[30:]], torch.eye(10)[true[30:]])
    accuracy, matched = shares(metric)
    assert accuracy == pytest.approx(1 / 50)  # the 0 that is called 0
    assert matched == pytest.approx(1 - 5 / 50)  # "0" stands for 7, so that none of the five is right


def test_one_name_for_all_matches_one_class_only():
    metric = ClassAccuracy()
    metric.update(torch.eye(10)[[4] * 20], torch.arange(10).repeat(2))
    assert shares(metric) == pytest.approx((0.1, 0.1))


def test_a_network_may_know_a_class_more_than_there_are():
    metric = ClassAccuracy()
    metric.update(torch.eye(4)[[0, 1, 2, 3]], torch.tensor([0, 1, 2, 2]))
    assert shares(metric) == pytest.approx((0.75, 0.75))


def test_what_are_no_logits_has_no_accuracy():
    with pytest.raises(ComponentError, match="class_accuracy takes logits"):
        ClassAccuracy().update(torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ComponentError, match="for each of 3 examples"):
        ClassAccuracy().update(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ComponentError, match="has seen no examples"):
        ClassAccuracy().compute()


def test_correlations_are_numpys_without_their_sign():
    generator = torch.Generator().manual_seed(0)
    to = torch.randn(50, 3, generator=generator)
    of = torch.stack([-to[:, 0], to[:, 1] + torch.randn(50, generator=generator), torch.full((50,), 0.3)], dim=1)
    metric = CodeCorrelation()
    for rows in (slice(0, 20), slice(20, 50)):
        metric.update(of[rows], to[rows])
    found = metric.compute()
    assert found["code1"] == pytest.approx(1)
    assert found["code2"] == pytest.approx(abs(np.corrcoef(of[:, 1], to[:, 1])[0, 1]), rel=1e-5)
    assert found["code3"] == found["least"] == 0  # what never varies tells nothing
    assert found["mean"] == pytest.approx((found["code1"] + found["code2"]) / 3)


def test_codes_of_other_shapes_are_refused():
    with pytest.raises(ComponentError, match=r"codes of one shape, N x size \(got \(4, 2\) and \(4, 3\)\)"):
        CodeCorrelation().update(torch.zeros(4, 2), torch.zeros(4, 3))
    with pytest.raises(ComponentError, match="needs two examples at least"):
        CodeCorrelation().compute()


def pictures(classes: torch.Tensor, spread: float, seed: int) -> torch.Tensor:
    """Pictures around 0.1 times their class."""
    noise = torch.rand(len(classes), 1, 4, 4, generator=torch.Generator().manual_seed(seed)) - 0.5
    return classes.view(-1, 1, 1, 1) * 0.1 + 0.4 + spread * noise


LABELS = torch.arange(400) % 4


def within(of: torch.Tensor, label: torch.Tensor = LABELS) -> dict[str, float]:
    metric = ClassDiversity()
    to = pictures(LABELS, 0.2, 1)
    for rows in (slice(0, 130), slice(130, 400)):
        metric.update(of[rows], label[rows], to[rows], LABELS[rows])
    return dict(metric.compute())


def test_variance_within_classes_is_compared_class_by_class():
    of, to = pictures(LABELS, 0.1, 2), pictures(LABELS, 0.2, 1)
    expected = [float((of[k == LABELS].var(0) / 1).mean() / to[k == LABELS].var(0).mean()) for k in range(4)]
    found = within(of)
    assert found["ratio"] == pytest.approx(sum(expected) / 4, rel=1e-5)
    assert (found["least"], found["most"]) == pytest.approx((min(expected), max(expected)), rel=1e-5)
    assert found["ratio"] == pytest.approx(0.25, rel=0.1)


def test_one_picture_for_each_class_has_no_variance_within_although_the_set_has():
    assert within(pictures(LABELS, 0.0, 2))["ratio"] == pytest.approx(0, abs=1e-6)


def test_pictures_of_other_classes_raise_the_variance_within():
    assert within(pictures(LABELS, 0.2, 2), LABELS.roll(100).flip(0))["ratio"] == pytest.approx(1, rel=0.1)
    assert within(pictures(LABELS, 0.2, 2), LABELS[torch.randperm(400)])["ratio"] > 3


def test_a_class_that_was_never_asked_for_is_not_counted():
    metric = ClassDiversity()
    of = pictures(LABELS, 0.2, 2)
    metric.update(of[LABELS < 2], LABELS[LABELS < 2], of, LABELS)
    assert metric.compute()["ratio"] == pytest.approx(1)


def test_classes_of_one_example_are_not_counted_which_is_said():
    metric = ClassDiversity()
    metric.update(pictures(LABELS[:6], 0.2, 2), LABELS[:6], pictures(LABELS[:6], 0.2, 1), LABELS[:6])
    assert metric.compute().keys() == {"ratio", "least", "most"}
    assert metric.warnings()[0].startswith("classes 2, 3 are not counted: each needs two different real examples")
    metric = ClassDiversity()
    metric.update(pictures(LABELS[:2], 0.2, 2), LABELS[:2], pictures(LABELS[:2], 0.2, 1), LABELS[:2])
    assert metric.compute() == {}


def test_variance_within_needs_examples_and_pictures_of_one_size():
    with pytest.raises(ComponentError, match="has seen no examples"):
        ClassDiversity().compute()
    with pytest.raises(ComponentError, match="images of one shape"):
        ClassDiversity().update(torch.zeros(2, 1, 4, 4), LABELS[:2], torch.zeros(2, 1, 5, 4), LABELS[:2])


def test_the_classifier_names_codes_by_what_it_sees():
    from translate_plugins.metrics.classifier import Classifier

    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    images = torch.rand(120, 1, 12, 12, generator=generator) * 0.2 + labels.view(-1, 1, 1, 1) * 0.4
    metric = Classifier(epochs=20, batch_size=20)
    metric.fit(images, labels)
    metric.fitted()
    code = (labels + 1) % 3
    code[:30] = 0
    metric.update(images, label=labels, code=torch.eye(3)[code])
    found = {name: float(torch.as_tensor(part).double().mean()) for name, part in metric.compute().items()}
    assert found["agreement"] == 1
    assert found["named"] == pytest.approx(1 - 20 / 120)  # 0 stands for 2, so that ten of the thirty are right
