"""CIE L*a*b*: published values, an independent conversion, round trips, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from translate.errors import ComponentError
from translate_plugins.operations.chroma import chroma
from translate_plugins.operations.lab_to_rgb import lab_to_rgb
from translate_plugins.operations.lightness import lightness

# sRGB under D65 (2 degrees), as colour libraries and calculators give it: L*, a*, b*.
KNOWN = {
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 255, 255): (100.0, 0.0, 0.0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (255, 255, 0): (97.14, -21.55, 94.48),
    (0, 255, 255): (91.11, -48.09, -14.13),
    (255, 0, 255): (60.32, 98.23, -60.82),
    (128, 128, 128): (53.59, 0.0, 0.0),
}


def pixel(colour, low=-1.0):
    return torch.tensor(colour, dtype=torch.float32).view(1, -1, 1, 1) / 255 * (1 - low) + low


@pytest.mark.parametrize(("colour", "lab"), KNOWN.items())
@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_published_values(colour, lab, low):
    light = (lightness(pixel(colour, low), low=low) - low) / (1 - low) * 100
    ab = (chroma(pixel(colour, low), low=low) - (1 + low) / 2) * 2 * 110 / (1 - low)
    assert [light.item(), *ab.flatten().tolist()] == pytest.approx(lab, abs=0.02)


def independent(rgb):
    """sRGB in [0, 1], ... x 3, to L*a*b* with the matrix and white point that scikit-image uses."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    matrix = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    xyz = linear @ np.array(matrix).T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def test_an_independent_conversion_agrees():
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 16)
    expected = independent(image.permute(0, 2, 3, 1).double().numpy())
    light = lightness(image, low=0.0) * 100
    ab = (chroma(image, low=0.0) - 0.5) * 2 * 110
    found = torch.cat([light, ab], dim=1).permute(0, 2, 3, 1).numpy()
    assert np.abs(found - expected).max() < 0.02  # white differs in the fifth digit


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_there_and_back(low):
    steps = torch.linspace(low, 1, 18)
    image = torch.cartesian_prod(steps, steps, steps).T.reshape(1, 3, 18, -1)
    again = lab_to_rgb(lightness(image, low=low), chroma(image, low=low), low=low)
    assert (again - image).abs().max() < 1e-4
    assert again.min() >= low
    assert again.max() <= 1


def test_every_colour_of_srgb_lies_in_the_range():
    steps = torch.linspace(-1, 1, 18)
    image = torch.cartesian_prod(steps, steps, steps).T.reshape(1, 3, 18, -1)
    assert lightness(image).abs().max() <= 1 + 1e-5
    assert chroma(image).abs().max() <= 1


def test_greys_have_no_chroma_and_the_lightness_of_one_channel():
    grey = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
    colour = grey.expand(1, 3, 8, 8)
    assert chroma(colour).abs().max() < 1e-5
    torch.testing.assert_close(lightness(grey), lightness(colour), atol=1e-5, rtol=0)
    torch.testing.assert_close(lab_to_rgb(lightness(grey), torch.zeros(1, 2, 8, 8)), colour, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("ab", "clamped"), [((-1.0, -1.0), (-1, None, 1)), ((1.0, 1.0), (1, -1, -1))])
def test_colours_that_srgb_does_not_have_are_clamped_where_the_gradient_is_zero(ab, clamped):
    light = torch.zeros(1, 1, 1, 1, requires_grad=True)
    result = lab_to_rgb(light, torch.tensor(ab).view(1, 2, 1, 1)).flatten()
    for value, expected in zip(result, clamped, strict=True):
        (slope,) = torch.autograd.grad(value, light, retain_graph=True)
        assert slope.item() > 0 if expected is None else (slope.item(), value.item()) == (0, expected)


def test_gradients_are_right():
    torch.manual_seed(0)
    image = (torch.rand(1, 3, 2, 3, dtype=torch.float64) * 1.8 - 0.9).requires_grad_()
    assert torch.autograd.gradcheck(lightness, (image,))
    assert torch.autograd.gradcheck(chroma, (image,))
    parts = [part(image).detach().requires_grad_() for part in (lightness, chroma)]
    assert torch.autograd.gradcheck(lab_to_rgb, parts)


@pytest.mark.parametrize("colour", [*KNOWN, (1, 0, 0)])
def test_gradients_are_finite_at_the_corners(colour):
    image = pixel(colour).requires_grad_()
    _all_finite(image)


def test_gradients_are_finite_outside_of_the_range_too():
    _all_finite((torch.rand(1, 3, 8, 8) * 6 - 3).requires_grad_())


def _all_finite(image):
    light, ab = lightness(image), chroma(image)
    (light.sum() + ab.sum() + lab_to_rgb(light, ab).sum()).backward()
    assert torch.isfinite(image.grad).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ComponentError, match=r"lightness takes images of 3 channels or 1 \(got \(1, 2, 4, 4\)\)"):
        lightness(torch.zeros(1, 2, 4, 4))
    with pytest.raises(ComponentError, match="chroma takes images of 3 channels"):
        chroma(torch.zeros(1, 1, 4, 4))
    with pytest.raises(ComponentError, match=r"lightness \(1 channel\) and a chroma \(2 channels\)"):
        lab_to_rgb(torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4))
    for operation in (lightness, chroma):
        with pytest.raises(ComponentError, match="low must be below high"):
            operation(torch.zeros(1, 3, 4, 4), low=2.0)
