"""Metrics of whole sets: diversity and accuracy of painted label maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from translate.components import Component, Entry, Provider
from translate.errors import ComponentError
from translate_plugins.metrics.diversity import Diversity
from translate_plugins.metrics.palette_accuracy import PaletteAccuracy
from translate_plugins.metrics.resampling import resampled_interval

COLOURS = [[0, 0, 170], [255, 85, 0], [10, 200, 30]]


def painted(classes):
    return (torch.tensor(COLOURS)[classes] / 255).movedim(-1, 1)


def diversity(of, to, parts=1):
    metric = Diversity()
    for first, second in zip(torch.chunk(of, parts), torch.chunk(to, parts), strict=True):
        metric.update(first, second)
    return metric.compute()


@pytest.mark.parametrize("parts", [1, 3, 10])
def test_diversity_against_numpy(parts):
    generator = torch.Generator().manual_seed(0)
    of, to = torch.rand(10, 2, 3, 4, generator=generator) * 0.3, torch.rand(10, 2, 3, 4, generator=generator)
    expected = of.double().numpy().var(0, ddof=1).mean() / to.double().numpy().var(0, ddof=1).mean()
    assert diversity(of, to, parts) == pytest.approx(expected, rel=1e-12)


def test_diversity_of_one_picture_repeated_is_nothing_and_of_the_targets_one():
    to = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    assert diversity(to[:1].expand(6, -1, -1, -1), to, 3) == pytest.approx(0, abs=1e-20)
    assert diversity(to, to) == 1
    flat = torch.full_like(to, 0.3)
    assert diversity(flat, flat, 3) == 1
    assert diversity(to, flat) == math.inf


def test_diversity_needs_two_examples_of_one_shape():
    one = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ComponentError, match=r"two examples at least \(got 1\)"):
        diversity(one, one)
    with pytest.raises(ComponentError, match="of one shape"):
        Diversity().update(one, torch.zeros(1, 3, 4, 4))


def numpy_scores(said, true):
    """Pixel accuracy, class accuracy and IOU from a confusion matrix."""
    confusion = np.zeros((3, 3))
    np.add.at(confusion, (true.flatten(), said.flatten()), 1)
    right, there = np.diag(confusion), confusion.sum(1) > 0
    recall = (right[there] / confusion.sum(1)[there]).mean()
    iou = (right / np.maximum(confusion.sum(0) + confusion.sum(1) - right, 1))[there].mean()
    return right.sum() / confusion.sum(), recall, iou


@pytest.mark.parametrize("used", [3, 2])
def test_palette_accuracy_against_numpy(used):
    generator = torch.Generator().manual_seed(2)
    true = torch.randint(used, (6, 5, 7), generator=generator)  # with 2, a class is never true
    other = torch.randint(3, true.shape, generator=generator)
    said = torch.where(torch.rand(true.shape, generator=generator) < 0.6, true, other)
    metric = PaletteAccuracy(palette=COLOURS)
    noise = (torch.rand(6, 3, 5, 7, generator=generator) - 0.5) * 0.2  # does not reach another colour
    metric.update((painted(said) + noise)[:4], painted(true)[:4])
    metric.update((painted(said) + noise)[4:], painted(true)[4:])
    found = metric.compute()
    pixel, recall, iou = numpy_scores(said.numpy(), true.numpy())
    np.testing.assert_allclose(found["pixel"], (said == true).double().mean((1, 2)))
    assert np.mean(found["pixel"]) == pytest.approx(pixel)
    assert found["class"][0] == pytest.approx(recall)
    assert found["iou"][0] == pytest.approx(iou)
    majority = true.flatten().mode().values
    np.testing.assert_allclose(found["majority"], (true == majority).double().mean((1, 2)))
    for name in ("class", "iou"):
        value, (low, high) = found[name]
        assert low < value < high


def test_a_perfect_map_is_right_and_the_commonest_class_is_the_majority():
    true = torch.zeros(2, 4, 4, dtype=torch.int64)
    true[:, 0] = 1
    perfect, constant = (PaletteAccuracy(palette=COLOURS) for _ in range(2))
    perfect.update(painted(true), painted(true))
    constant.update(painted(torch.zeros_like(true)), painted(true))
    assert [np.mean(perfect.compute()[name]) for name in ("pixel", "majority")] == [1, 0.75]
    assert [perfect.compute()[name][0] for name in ("class", "iou")] == [1, 1]
    found = constant.compute()
    assert np.mean(found["pixel"]) == np.mean(found["majority"]) == 0.75
    assert (found["class"][0], found["iou"][0]) == (0.5, 0.375)


def test_the_palette_is_read_from_examples():
    true = torch.randint(3, (4, 20, 20), generator=torch.Generator().manual_seed(3))
    examples = painted(true)
    examples[0, :, 0, 0] = 0.5  # one stray pixel of 1600 is below a thousandth
    read, given = PaletteAccuracy(), PaletteAccuracy(palette=COLOURS)
    read.fit([examples[:1], examples[1:]])
    read.fitted()
    for metric in (read, given):
        metric.update(painted(true.roll(1, 1)), painted(true))
    first, second = read.compute(), given.compute()
    for name in ("pixel", "majority"):
        np.testing.assert_allclose(first[name], second[name])
    for name in ("class", "iou"):
        assert first[name][0] == pytest.approx(second[name][0])
    rare = PaletteAccuracy(least_share=0.0005)
    rare.fit(examples)
    rare.fitted()
    assert len(rare._palette) == 4


def test_blended_colours_are_left_out_and_named():
    examples = painted(torch.arange(3).repeat_interleave(40).expand(2, 30, -1))
    clean, blended, much = PaletteAccuracy(), PaletteAccuracy(), PaletteAccuracy()
    clean.fit(examples)
    examples[:, :, :, 5:9] += 4 / 255  # near to a colour: merged with it
    examples[:, :, :, 39:41] = examples[:, :, :, 39:41].mean(3, keepdim=True)  # half way between two: one more
    blended.fit(examples)
    much.fit(examples + torch.rand(2, 3, 30, 120, generator=torch.Generator().manual_seed(5)) * 0.02)
    for metric in (clean, blended):
        metric.fitted()
    assert [len(metric._palette) for metric in (clean, blended)] == [3, 4]
    assert clean.warnings() == []
    assert len(blended.warnings()) == 1
    assert "4 colours were read from the examples and hold 97% of their pixels" in blended.warnings()[0]
    with pytest.raises(ComponentError, match="no label maps"):
        much.fitted()


def test_a_given_palette_is_not_replaced_by_examples():
    metric = PaletteAccuracy(palette=COLOURS)
    metric.fit(torch.rand(2, 3, 8, 8))
    metric.fitted()
    assert [list(colour) for colour in metric._palette] == COLOURS


def test_photographs_are_no_label_maps(monkeypatch):
    metric = PaletteAccuracy()
    metric.fit(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(4)))
    with pytest.raises(ComponentError, match=r"no label maps: \d+ colours hold \d+% of their pixels"):
        metric.fitted()
    monkeypatch.setattr("translate_plugins.metrics.palette_accuracy._MOST_COUNTED", 100)
    with pytest.raises(ComponentError, match="more than 100 colours"):
        PaletteAccuracy().fit(torch.rand(2, 3, 32, 32))


def test_without_a_palette_or_with_one_of_other_channels():
    grey = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ComponentError, match=r"palette of 1 values a colour \(got none\)"):
        PaletteAccuracy().update(grey, grey)
    with pytest.raises(ComponentError, match=r"palette of 1 values a colour \(got one of 3\)"):
        PaletteAccuracy(palette=COLOURS).update(grey, grey)
    with pytest.raises(ComponentError, match="different numbers of values"):
        PaletteAccuracy(palette=[[0], [1, 2]])
    with pytest.raises(ComponentError, match="has seen no examples"):
        PaletteAccuracy(palette=COLOURS).compute()
    metric = PaletteAccuracy(palette=[[0], [255]])
    metric.update(grey + 0.4, grey)
    assert metric.compute()["pixel"].tolist() == [1]


def test_a_palette_in_a_pipeline_is_checked():
    target = "translate_plugins.metrics.palette_accuracy:PaletteAccuracy"
    component = Component(kind="metric", name="palette_accuracy", target=target, summary="x")
    schema = Entry(component, Provider("metrics", "d", "1")).schema
    assert schema.validate({"palette": COLOURS})[1] == []
    assert schema.validate({"palette": None})[1] == []
    assert schema.validate({"palette": [[0, 0, 256], [0, 0, 0]]})[1] != []
    assert schema.validate({"palette": [[0, 0, 0]]})[1] != []
    assert dict(schema.expressions) == {"of": True, "to": True, "examples": False}


def test_resampled_intervals_of_a_mean_are_those_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(size=300)

    def mean(weights):
        return float(weights @ values / weights.sum())

    low, high = resampled_interval(mean(np.ones(300)), mean, [300])
    half = 1.96 * values.std() / 300**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)
    assert resampled_interval(0.0, mean, [300, 1]) is None


def test_the_bias_of_resampling_does_not_move_the_interval():
    # The largest of a resample is never above that of the set: plain percentiles would lie to the left of it.
    values = np.random.default_rng(1).normal(size=30)

    def largest(weights):
        return float(values[weights > 0].max())

    low, high = resampled_interval(float(values.max()), largest, [30])
    assert low < values.max() < high
