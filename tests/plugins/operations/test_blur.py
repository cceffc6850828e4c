"""Blur by [1, 2, 1], and the resampling made of it."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from translate.errors import ComponentError
from translate_plugins.blurring import Blur
from translate_plugins.growing import doubled
from translate_plugins.operations.blur import blur


def test_a_point_becomes_the_filter():
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 16.0
    expected = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])
    assert torch.equal(blur(image)[0, 0, 1:4, 1:4], expected)
    assert blur(image).sum() == 16.0


def test_inside_it_is_a_convolution_of_each_channel():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    line = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    kernel = torch.outer(line, line).expand(3, 1, 3, 3)
    padded = F.pad(image, (1, 1, 1, 1), mode="replicate")
    torch.testing.assert_close(blur(image), F.conv2d(padded, kernel, groups=3), rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (6, 3)])
def test_a_constant_stays_and_so_does_the_size(size):
    image = torch.full((2, 3, *size), 0.375)
    assert torch.equal(blur(image, times=3), image)


def test_twice_is_the_filter_of_five_weights():
    image = torch.zeros(1, 1, 1, 9)
    image[..., 4] = 16.0
    assert blur(image, times=2)[0, 0, 0].tolist() == [0, 0, 1, 4, 6, 4, 1, 0, 0]


def test_behind_a_doubling_by_repetition_it_makes_it_bilinear():
    torch.manual_seed(0)
    image = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    smooth = Blur()(doubled(image))
    expected = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(smooth, expected, rtol=0, atol=1e-14)


def test_gradients_to_the_second_order():
    torch.manual_seed(0)
    image = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(blur, image)
    assert torch.autograd.gradgradcheck(lambda x: blur(x).square(), image)


def test_what_is_no_image_is_refused():
    with pytest.raises(ComponentError, match="blur takes images \\(got a value of 1 dimensions\\)"):
        blur(torch.zeros(2, 8))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_its_gradient_is_the_same_bits_in_every_run(device):
    torch.manual_seed(0)
    image = torch.randn(4, 8, 32, 32, device=device)

    def gradient() -> torch.Tensor:
        point = image.clone().requires_grad_()
        Blur()(doubled(point)).square().sum().backward()
        assert point.grad is not None
        return point.grad

    torch.use_deterministic_algorithms(True)
    try:
        first = gradient()
        assert all(torch.equal(first, gradient()) for _ in range(3))
    finally:
        torch.use_deterministic_algorithms(False)
