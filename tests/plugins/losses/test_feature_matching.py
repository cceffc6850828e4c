"""Feature matching: by hand, against the published forms written out, sides and gradients."""

from __future__ import annotations

import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.losses.feature_matching import FeatureMatching


def features(seed, count=4):
    torch.manual_seed(seed)
    return [[torch.randn(count, 2, 4, 4), torch.randn(count, 3, 2, 2)], [torch.randn(count, 5)]]


def test_values_sum_the_layers_and_scales_of_the_mean_difference():
    of, to = features(0), features(1)
    expected = sum(
        (a - b).abs().sum() / a.numel() for f, g in zip(of, to, strict=True) for a, b in zip(f, g, strict=True)
    )
    torch.testing.assert_close(FeatureMatching().generator(of, to), expected)


def test_batch_means_as_discogan_writes_them():
    of, to = features(0), features(1)
    expected = sum(
        ((a.mean(0) - b.mean(0)) * (a.mean(0) - b.mean(0))).mean()
        for f, g in zip(of, to, strict=True)
        for a, b in zip(f, g, strict=True)
    )
    found = FeatureMatching(match="batch_mean", distance="l2").generator(of, to)
    torch.testing.assert_close(found, expected)


def test_by_hand():
    of, to = torch.tensor([[1.0, 2.0], [3.0, 6.0]]), torch.tensor([[0.0, 2.0], [0.0, 0.0]])
    assert FeatureMatching().generator(of, to).item() == pytest.approx((1 + 0 + 3 + 6) / 4)
    assert FeatureMatching(distance="l2").generator(of, to).item() == pytest.approx((1 + 9 + 36) / 4)
    assert FeatureMatching(match="batch_mean").generator(of, to).item() == pytest.approx((2 + 3) / 2)
    assert FeatureMatching(match="batch_mean", distance="l2").generator(of, to).item() == pytest.approx((4 + 9) / 2)


@pytest.mark.parametrize("match", ["values", "batch_mean"])
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_it_is_zero_for_equal_features(match, distance):
    assert FeatureMatching(match=match, distance=distance).generator(features(0), features(0)).item() == 0


def test_batch_means_do_not_need_pairs():
    of = features(0)
    shuffled = [[feature[torch.tensor([2, 0, 3, 1])] for feature in scale] for scale in of]
    matching = FeatureMatching(match="batch_mean", distance="l2")
    assert matching.generator(of, shuffled).item() == pytest.approx(0, abs=1e-12)
    assert FeatureMatching().generator(of, shuffled).item() > 0.1
    larger = [[torch.cat([feature, feature]) for feature in scale] for scale in of]  # also of another batch size
    assert matching.generator(of, larger).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("match", ["values", "batch_mean"])
def test_the_gradient_reaches_the_fakes_alone(match):
    of, to = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    FeatureMatching(match=match).generator(of, to).backward()
    assert (of.grad != 0).all()
    assert to.grad is None


def test_it_counts_on_the_generators_side_only():
    assert not hasattr(FeatureMatching, "discriminator")


def test_half_precision_is_averaged_in_single():
    of = torch.full((4096, 3), 16.0).half()
    found = FeatureMatching(match="batch_mean").generator(of, of * 0)
    assert found.dtype == torch.float32
    assert found.item() == 16


def test_other_features_are_refused():
    with pytest.raises(ComponentError, match="differ in shape: 2x3 and 2x4"):
        FeatureMatching().generator(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ComponentError, match="differ in shape"):
        FeatureMatching().generator(torch.zeros(2, 3), [torch.zeros(2, 3)] * 2)
