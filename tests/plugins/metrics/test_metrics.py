"""Metrics: identity, known values, independent implementations in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.cielab import lab_of
from translate_plugins.metrics.gradient_energy_ratio import GradientEnergyRatio
from translate_plugins.metrics.histogram_intersection import HistogramIntersection
from translate_plugins.metrics.l1 import l1
from translate_plugins.metrics.psnr import psnr
from translate_plugins.metrics.ssim import ssim

FUNCTIONS = [l1, psnr, ssim]
CLASSES = [HistogramIntersection, GradientEnergyRatio]


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    smooth = torch.nn.functional.avg_pool2d(torch.rand(3, 3, 24, 26, generator=generator), 3, 1) * 1.2 - 0.1
    return smooth.clamp(0, 1), (smooth + 0.1 * torch.rand(smooth.shape, generator=generator)).clamp(0, 1)


def numpy_ssim(a, b):
    """SSIM of two H x W arrays, written from the paper: Gaussian windows that lie inside."""
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def mean(x):
        return (np.lib.stride_tricks.sliding_window_view(x, (11, 11)) * window).sum((-1, -2))

    mu_a, mu_b = mean(a), mean(b)
    var_a, var_b = mean(a * a) - mu_a**2, mean(b * b) - mu_b**2
    cov = mean(a * b) - mu_a * mu_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mu_a * mu_b + c1) * (2 * cov + c2)
    return (top / ((mu_a**2 + mu_b**2 + c1) * (var_a + var_b + c2))).mean()


def numpy_lab(pixel):
    """CIELAB of one sRGB pixel in [0, 1], white point D65 by its chromaticity."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in pixel]
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = matrix @ linear / np.array([0.95047, 1.0, 1.08883])
    f = [v ** (1 / 3) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


@pytest.mark.parametrize(("metric", "best"), [(l1, 0.0), (psnr, 100.0), (ssim, 1.0)])
def test_of_equal_images(metric, best, images):
    result = metric(images[0], images[0])
    assert result.shape == (3,)
    torch.testing.assert_close(result, torch.full((3,), best))


@pytest.mark.parametrize("metric", FUNCTIONS)
def test_each_image_is_measured_alone_and_both_ways_alike(metric, images):
    of, to = images
    result = metric(of, to)
    assert len(result.unique()) == 3
    torch.testing.assert_close(torch.cat([metric(of[i : i + 1], to[i : i + 1]) for i in range(3)]), result)
    torch.testing.assert_close(metric(to, of), result)


def test_l1_against_numpy(images):
    of, to = (value.numpy() for value in images)
    np.testing.assert_allclose(l1(*images).numpy(), np.abs(of - to).mean((1, 2, 3)), rtol=1e-5)


def test_psnr_against_numpy_and_by_hand(images):
    of, to = (value.numpy().astype(float) for value in images)
    np.testing.assert_allclose(psnr(*images).numpy(), -10 * np.log10(((of - to) ** 2).mean((1, 2, 3))), rtol=1e-5)
    grey = torch.full((1, 1, 4, 4), 0.5)
    assert psnr(grey, grey + 0.1).item() == pytest.approx(20, abs=1e-4)


def test_ssim_against_numpy(images):
    of, to = (value.numpy().astype(float) for value in images)
    expected = [np.mean([numpy_ssim(of[i, c], to[i, c]) for c in range(3)]) for i in range(3)]
    np.testing.assert_allclose(ssim(*images).numpy(), expected, atol=1e-4)


def test_ssim_of_flat_images_by_hand():
    a, b = torch.full((1, 1, 16, 16), 0.2), torch.full((1, 1, 16, 16), 0.6)
    assert ssim(a, b).item() == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4), abs=1e-4)


def test_ssim_of_one_image_has_one_value(images):
    assert ssim(images[0][:1], images[1][:1]).shape == (1,)


def test_ssim_needs_a_window():
    with pytest.raises(ComponentError, match=r"11x11 at least \(got 10x16"):
        ssim(torch.zeros(1, 1, 10, 16), torch.zeros(1, 1, 10, 16))


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((1, 1, 1), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((0.5, 0.5, 0.5), (53.389, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_known_colours(rgb, expected):
    pixel = torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1)
    assert lab_of(pixel).flatten().tolist() == pytest.approx(expected, abs=0.02)


def test_lab_against_numpy(images):
    ours = lab_of(images[0])[0].flatten(1).T.numpy()
    pixels = images[0][0].flatten(1).T.numpy()
    np.testing.assert_allclose(ours, [numpy_lab(pixel) for pixel in pixels], atol=0.05)


def test_dark_colours_take_the_linear_branches():
    dark = (0.003, 0.02, 0.04)
    ours = lab_of(torch.tensor(dark).view(1, 3, 1, 1)).flatten().tolist()
    assert ours == pytest.approx(numpy_lab(dark), abs=0.02)


@pytest.mark.parametrize("width", [1.0, 7.0])
def test_histogram_intersection_against_numpy(images, width):
    metric = HistogramIntersection(bin_width=width)
    metric.update(images[0][:2], images[1][:2])
    metric.update(images[0][2:], images[1][2:])
    result = metric.compute()
    for index, (name, low, high) in enumerate([("L", 0, 100), ("a", -128, 128), ("b", -128, 128)]):
        edges = low + width * np.arange(math.ceil((high - low) / width) + 1)
        shares = []
        for side in images:
            values = lab_of(side)[:, index].flatten().numpy()
            counts, _ = np.histogram(values, bins=edges)
            shares.append(counts / counts.sum())
        # A value on an edge may fall on either side of it after rounding.
        assert result[name] == pytest.approx(np.minimum(*shares).sum(), abs=0.003)


def test_histogram_intersection_compares_sets_and_not_pictures():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    blue = red.flip(1)
    swapped, apart, half = HistogramIntersection(), HistogramIntersection(), HistogramIntersection()
    swapped.update(red, blue)
    swapped.update(blue, red)
    apart.update(red, blue)
    half.update(torch.cat([red, red]), torch.cat([red, blue]))
    assert swapped.compute() == {"L": 1.0, "a": 1.0, "b": 1.0}
    # Red and blue differ by less than a bin in a (80.1 and 79.2 lie in bins 80 and 79) but far in L and b.
    assert apart.compute() == {"L": 0.0, "a": 0.0, "b": 0.0}
    assert half.compute() == {"L": 0.5, "a": 0.5, "b": 0.5}


def test_histogram_intersection_of_grey_pictures_agrees_in_colour():
    metric = HistogramIntersection()
    metric.update(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4))
    result = metric.compute()
    assert result["L"] == 0
    # a and b of grey are 0 up to rounding, on the edge between two bins: a wider bin has them in one.
    wide = HistogramIntersection(bin_width=50)
    wide.update(torch.rand(1, 1, 4, 4), torch.rand(1, 1, 4, 4))
    assert (wide.compute()["a"], wide.compute()["b"]) == (1.0, 1.0)


def test_gradient_energy_of_ramps_by_hand():
    ramp = torch.arange(8.0).div(10).expand(1, 1, 8, 8)
    metric = GradientEnergyRatio()
    metric.update(ramp * 0.5, ramp)
    assert metric.compute() == pytest.approx(0.25)
    sideways = GradientEnergyRatio()
    sideways.update(ramp.transpose(2, 3), ramp)
    assert sideways.compute() == pytest.approx(1.0)
    both = GradientEnergyRatio()
    both.update((ramp + ramp.transpose(2, 3)) * 0.5, ramp)
    assert both.compute() == pytest.approx(0.5)


def test_gradient_energy_against_numpy_over_two_batches(images):
    def energy(batch):
        y = np.einsum("nchw,c->nhw", batch.numpy().astype(float), [0.299, 0.587, 0.114])
        per_image = [
            np.mean([(p[i, j + 1] - p[i, j]) ** 2 + (p[i + 1, j] - p[i, j]) ** 2 for i in range(21) for j in range(23)])
            for p in y
        ]
        return sum(per_image)

    metric = GradientEnergyRatio()
    metric.update(images[0][:1], images[1][:1])
    metric.update(images[0][1:], images[1][1:])
    assert metric.compute() == pytest.approx(energy(images[0]) / energy(images[1]), rel=1e-4)


def test_gradient_energy_tells_blur_from_grain(images):
    sharp = images[0]
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1, count_include_pad=False)
    for of, above in ((blurred, False), ((sharp + 0.2 * torch.rand_like(sharp)), True)):
        metric = GradientEnergyRatio()
        metric.update(of, sharp)
        assert (metric.compute() > 1) is above


def test_gradient_energy_of_flat_sets():
    flat, ramp = torch.zeros(1, 1, 4, 4), torch.arange(4.0).expand(1, 1, 4, 4)
    for of, value in ((flat, 1.0), (ramp, math.inf)):
        metric = GradientEnergyRatio()
        metric.update(of, flat)
        assert metric.compute() == value


@pytest.mark.parametrize("kind", CLASSES)
def test_of_equal_sets(kind, images):
    metric = kind()
    metric.update(images[0], images[0])
    result = metric.compute()
    assert result == (1.0 if isinstance(result, float) else {"L": 1.0, "a": 1.0, "b": 1.0})


@pytest.mark.parametrize("kind", CLASSES)
def test_sets_that_cannot_be_measured_are_refused(kind):
    metric = kind()
    with pytest.raises(ComponentError, match="has seen no examples"):
        metric.compute()
    with pytest.raises(ComponentError, match=r"grey or RGB images \(got 2 channels"):
        metric.update(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4))


@pytest.mark.parametrize("metric", [*FUNCTIONS, lambda of, to: HistogramIntersection().update(of, to)])
def test_different_shapes_are_refused(metric):
    with pytest.raises(ComponentError, match=r"images of one shape \(got \(1, 3, 16, 16\) and \(1, 1, 16, 16\)\)"):
        metric(torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16))


def test_gradient_length_of_ramps_by_hand():
    ramp = torch.arange(5.0).view(1, 1, 1, 5).expand(1, 1, 4, 5) / 10  # a gradient of 0.1 everywhere
    for power, expected in ((2, 0.25), (1, 0.5)):
        metric = GradientEnergyRatio(power=power)
        metric.update(ramp / 2, ramp)
        assert metric.compute() == pytest.approx(expected)
