"""Pixel agreement and correlation, and the control with wrong partners."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.metrics.correlation import Correlation
from translate_plugins.metrics.pixel_agreement import PixelAgreement
from translate_plugins.metrics.shuffling import wrong_partners


def of(metric, *batches):
    for batch in batches:
        metric.update(*batch)
    return {name: np.asarray(value) for name, value in metric.compute().items()}


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(7, 3, 5, 6, generator=generator), torch.rand(7, 3, 5, 6, generator=generator)


@pytest.mark.parametrize("count", [2, 3, 10, 1001])
def test_wrong_partners_are_a_permutation_in_which_nobody_keeps_his_own(count):
    partners = wrong_partners(count)
    assert sorted(partners) == list(range(count))
    assert (partners != np.arange(count)).all()
    assert (partners == wrong_partners(count)).all()
    if count > 100:  # no shift by one, which would pair neighbours of an ordered set
        assert len(set((partners - np.arange(count)) % count)) > count / 3
    with pytest.raises(ValueError, match="no other to be paired with"):
        wrong_partners(1)


def test_agreement_by_hand():
    white, half = torch.ones(1, 1, 1, 4), torch.tensor([[[[0.9, 0.6, 0.5, 0.1]]]])  # 0.5 itself is black
    assert of(PixelAgreement(), (white, half))["agreement"].tolist() == [0.5]
    assert of(PixelAgreement(threshold=0.05), (white, half))["agreement"].tolist() == [1.0]
    assert of(PixelAgreement(), (1 - white, half))["agreement"].tolist() == [0.5]


def test_agreement_against_numpy(pair):
    first, second = pair
    found = of(PixelAgreement(), (first[:3], second[:3]), (first[3:], second[3:]))
    a, b = (each.numpy() > 0.5 for each in pair)
    partners = wrong_partners(7)
    np.testing.assert_allclose(found["agreement"], (a == b).mean((1, 2, 3)))
    np.testing.assert_allclose(found["shuffled"], (a == b[partners]).mean((1, 2, 3)))
    np.testing.assert_allclose(found["margin"], found["agreement"] - found["shuffled"])


def test_a_perfect_pair_has_a_margin_and_a_blank_one_has_none():
    digits = (torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.2).float()
    same, blank = of(PixelAgreement(), (digits, digits)), of(PixelAgreement(), (digits, torch.zeros_like(digits)))
    assert same["agreement"].mean() == 1
    assert same["margin"].mean() > 0.2
    assert blank["agreement"].mean() > 0.75  # a generator that gives nothing looks good
    assert blank["margin"].mean() == pytest.approx(0, abs=1e-12)


def test_correlation_against_numpy(pair):
    first, second = pair
    second = 0.5 * first + 0.5 * second
    found = of(Correlation(), (first[:3], second[:3]), (first[3:], second[3:]))
    a, b = (each.flatten(1).numpy().astype(float) for each in (first, second))
    partners = wrong_partners(7)
    np.testing.assert_allclose(found["paired"], [np.corrcoef(a[i], b[i])[0, 1] for i in range(7)], atol=1e-6)
    shuffled = [np.corrcoef(a[i], b[partners[i]])[0, 1] for i in range(7)]
    np.testing.assert_allclose(found["shuffled"], shuffled, atol=2e-3)  # kept in half precision
    np.testing.assert_allclose(found["margin"], found["paired"] - found["shuffled"])


def test_correlation_does_not_see_scale_and_offset(pair):
    found = of(Correlation(), (pair[0], 0.2 + 0.001 * pair[0]), (pair[0], 0.9 - 0.5 * pair[0]))
    np.testing.assert_allclose(found["paired"], [1] * 7 + [-1] * 7, atol=1e-4)


def test_a_picture_of_one_value_correlates_with_nothing(pair):
    for value in (0.0, 0.3):
        found = of(Correlation(), (pair[0], torch.full_like(pair[0], value)))
        assert set(found["paired"]) == {0.0}


def test_a_grey_side_is_compared_with_the_luma_of_the_other(pair):
    first = pair[0]
    grey = (first * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    np.testing.assert_allclose(of(Correlation(), (first, grey))["paired"], np.ones(7), atol=1e-6)
    with pytest.raises(ComponentError, match=r"of one size \(got \(7, 3, 5, 6\) and \(7, 2, 5, 6\)\)"):
        Correlation().update(first, first[:, :2])


@pytest.mark.parametrize("kind", [PixelAgreement, Correlation])
def test_one_example_has_no_control_and_none_no_result(kind, pair):
    metric = kind()
    with pytest.raises(ComponentError, match="has seen no examples"):
        metric.compute()
    metric.update(pair[0][:1], pair[1][:1])
    assert len(metric.compute()) == 1


@pytest.mark.parametrize("kind", [PixelAgreement, Correlation])
def test_lists_are_read_one_after_the_other(kind, pair):
    first, second = pair
    nested = of(kind(), ([first[:2], [first[2:]]], [second[:5], second[5:]]))
    for name, values in of(kind(), pair).items():
        np.testing.assert_allclose(nested[name], values)


@pytest.mark.parametrize("kind", [PixelAgreement, Correlation])
@pytest.mark.parametrize("value", ["text", [], [torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 5, 4)], torch.zeros(3)])
def test_what_are_no_images_is_refused(kind, value):
    with pytest.raises(ComponentError, match=r"takes images of the same channels and size \(got "):
        kind().update(value, torch.zeros(1, 1, 4, 4))


def test_different_shapes_are_refused():
    with pytest.raises(ComponentError, match="images of one shape"):
        PixelAgreement().update(torch.zeros(1, 1, 4, 4), torch.zeros(2, 1, 4, 4))
