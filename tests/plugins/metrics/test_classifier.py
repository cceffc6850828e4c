"""The classifier that is trained on the spot: what it learns, its parts, and that it repeats itself."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.metrics.classifier import Classifier, _score
from translate_plugins.metrics.classifier_network import SmallClassifier
from translate_plugins.metrics.frechet import frechet_distance


def bars(labels, seed, channels=1, size=20):
    """Pictures whose class is where a bright bar stands, with noise."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(len(labels), channels, size, size, generator=generator) * 0.4
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, :, 6 * label : 6 * label + 4] += 0.6
    return images


def classes(count, seed):
    return torch.randint(3, (count,), generator=torch.Generator().manual_seed(seed))


def trained(**choices):
    metric = Classifier(batch_size=16, **choices)
    labels = classes(240, 0)
    images = bars(labels, 1)
    metric.fit(images[:100], labels[:100])
    metric.fit(images[100:], labels[100:])
    metric.fitted()
    return metric


@pytest.fixture(scope="module")
def judge():
    return trained()


@pytest.fixture
def metric(judge):
    return copy.deepcopy(judge)


def test_it_learns_and_judges_itself_on_real_images(metric):
    labels, others = classes(160, 2), classes(160, 3)
    wanted = labels.clone()
    wanted[:40] = (wanted[:40] + 1) % 3  # a quarter has another class than was asked for
    metric.update(bars(labels, 4), bars(others, 5), label=wanted, to_label=others)
    found = metric.compute()
    assert set(found) == {"agreement", "confidence", "score", "classes", "frechet", "floor", "accuracy"}
    assert found["accuracy"].mean() > 0.98
    assert found["agreement"].mean() == pytest.approx(0.75, abs=0.02)
    assert found["classes"] == 3
    assert found["confidence"].shape == (160,)
    assert 0.9 < found["confidence"].mean() <= 1
    assert 2.7 < found["score"] <= 3
    value, (low, high) = found["frechet"]
    assert low < value < high
    assert metric.warnings() == []


def test_the_score_counts_the_classes_that_are_drawn_and_falls_where_none_is_clear(judge):
    def score(of):
        metric = copy.deepcopy(judge)
        metric.update(of)
        return metric.compute()["score"]

    assert score(bars(torch.zeros(90, dtype=torch.int64), 20)) == pytest.approx(1.0, abs=0.05)
    assert score(bars(torch.arange(90) % 2, 22)) == pytest.approx(2.0, abs=0.15)
    sharp = bars(classes(90, 23), 24)
    assert score(0.5 * sharp + 0.25) < score(sharp)


def test_the_score_is_that_of_its_definition():
    p = torch.tensor([[0.7, 0.3], [0.2, 0.8]], dtype=torch.float64)
    mean = torch.tensor([0.45, 0.55], dtype=torch.float64)
    expected = math.exp(float((p * (p / mean).log()).sum(1).mean()))
    assert _score(p) == pytest.approx(expected)
    assert _score(torch.eye(4, dtype=torch.float64)) == pytest.approx(4.0)


def test_the_frechet_distance_rises_with_what_is_wrong(judge):
    labels = classes(200, 6)
    real, to = bars(labels, 7), bars(classes(200, 8), 9)

    def distance(of):
        metric = copy.deepcopy(judge)
        metric.update(of, to)
        return metric.compute()["frechet"][0]

    noise = torch.rand(real.shape, generator=torch.Generator().manual_seed(10))
    collapsed = real[labels == 1]
    found = [distance(each) for each in (real, 0.85 * real + 0.15 * noise, collapsed, real[:1].expand(200, -1, -1, -1))]
    assert found == sorted(found)
    assert found[2] > 5 * found[0]


def test_the_floor_is_the_distance_of_two_halves(metric):
    images = bars(classes(50, 11), 12)
    metric.update(images, images)
    found = metric.compute()
    assert found["frechet"][0] == pytest.approx(0, abs=1e-6)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0x6861_6C66))
    features = metric._judge.network.features(images).double()
    assert found["floor"] == pytest.approx(frechet_distance(features[order[:25]], features[order[25:]]), rel=1e-4)


def test_partners_and_lists_and_vectors(judge):
    labels = classes(12, 13)
    images, same, other = bars(labels, 14), bars(labels, 15), bars((labels + 1) % 3, 16)
    for partner, expected in ((same, 1.0), (other, 0.0), ([same[:6], other[6:]], 0.5)):
        metric = copy.deepcopy(judge)
        metric.update(images, partner=partner)
        assert metric.compute()["agreement"].mean() == expected
    whole, nested = copy.deepcopy(judge), copy.deepcopy(judge)
    whole.update(images, label=labels)
    nested.update([images[:5], images[5:]], label=[torch.eye(3)[labels[:5]], labels[5:]])
    assert torch.equal(whole.compute()["agreement"], nested.compute()["agreement"])


def test_a_missing_class_is_counted(metric):
    labels = classes(300, 17)
    labels[labels == 2] = 0
    labels[:5] = 2  # less than 2 %
    metric.update(bars(labels, 18))
    assert metric.compute()["classes"] == 2
    assert "agreement" not in metric.compute()


def test_wrong_labels_teach_wrong_classes():
    metric, labels = Classifier(batch_size=16), classes(240, 0)
    metric.fit(bars(labels, 1), (labels + 1) % 3)
    metric.fitted()
    held_out = classes(160, 19)
    metric.update(bars(held_out, 20), bars(held_out, 21), to_label=held_out)
    assert metric.compute()["accuracy"].mean() < 0.05
    assert len(metric.warnings()) == 1
    assert "the classifier is right on only " in metric.warnings()[0]


def test_training_repeats_itself_and_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = trained(seed=3)._judge.network.state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    second, third = trained(seed=3)._judge.network.state_dict(), trained(seed=4)._judge.network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], third["conv1.weight"])
    assert not any(value.requires_grad for value in trained()._judge.network.parameters())


def test_it_trains_where_gradients_are_off():
    with torch.no_grad():
        assert trained()._judge.network is not None


def test_the_weights_start_as_torch_starts_them():
    network = SmallClassifier(3, 28, 28, 10, seed=0)
    for layer, inputs in ((network.conv1, 75), (network.conv2, 400), (network.fc1, 800), (network.fc2, 64)):
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= inputs**-0.5
        assert layer.weight.detach().std() == pytest.approx((inputs * 3) ** -0.5, rel=0.1)  # uniform: limit / sqrt(3)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (1, 32, 48), (3, 12, 12), (1, 12, 100)])
def test_images_of_many_sizes(shape):
    network = SmallClassifier(*shape, 10, seed=0)
    assert network(network.features(torch.rand(2, *shape))).shape == (2, 10)
    assert network.fc1.in_features <= 32 * 49


def test_small_sets_and_an_untested_judge_are_named(metric):
    metric.update(bars(classes(30, 22), 23), bars(classes(40, 24), 25))
    texts = metric.warnings()
    assert "of 30 and 40 examples" in texts[0]
    assert "at least 128" in texts[0]
    assert "was not tested" in texts[1]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"label": torch.zeros(4).long(), "partner": torch.zeros(4, 1, 20, 20)}, "not both"),
        ({"to_label": torch.zeros(4).long()}, "`to_label` without `to`"),
        ({"label": torch.zeros(3).long()}, r"for each of 4 examples \(got \(3,\)\)"),
        ({"label": torch.zeros(4)}, "one label, or one vector"),
        ({"partner": torch.zeros(2, 1, 20, 20)}, r"as many partners as images \(got 4 and 2\)"),
        ({"to": torch.zeros(4, 3, 20, 20)}, r"trained on images of 1x20x20 \(got 3x20x20\)"),
    ],
)
def test_what_does_not_fit_is_refused(metric, values, text):
    with pytest.raises(ComponentError, match=text):
        metric.update(torch.zeros(4, 1, 20, 20), **values)


def test_it_must_have_been_trained_on_images_that_are_large_enough():
    with pytest.raises(ComponentError, match="has seen no examples"):
        Classifier().fitted()
    with pytest.raises(ComponentError, match="trained on images of nothing"):
        Classifier().update(torch.zeros(1, 1, 20, 20))
    small = Classifier()
    small.fit(torch.zeros(4, 1, 11, 20), torch.zeros(4).long())
    with pytest.raises(ComponentError, match=r"12x12 at least \(got 11x20\)"):
        small.fitted()
    one = trained()
    with pytest.raises(ComponentError, match="has seen no examples"):
        one.compute()
    one.update(torch.zeros(1, 1, 20, 20), torch.zeros(1, 1, 20, 20))
    with pytest.raises(ComponentError, match="needs two examples"):
        one.compute()
