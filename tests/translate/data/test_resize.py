"""Resizing: antialiasing, label maps, types."""

from __future__ import annotations

import numpy as np
import pytest

from translate.data.resize import as_unit, resize

CHECKS = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[:, :, None]


@pytest.mark.parametrize("interpolation", ["area", "bicubic", "bilinear"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shrinking_averages(interpolation: str, channels: int) -> None:
    small = resize(np.repeat(CHECKS, channels, axis=2), (16, 8), interpolation)
    assert small.shape == (16, 8, channels)
    assert small.dtype == np.uint8
    assert np.abs(small[2:-2, 2:-2].astype(int) - 128).max() <= 2


def test_nearest_never_blends() -> None:
    labels = np.random.default_rng(0).choice(np.array([3, 200], np.uint8), (30, 40, 3))
    for size in [(7, 9), (61, 83)]:
        assert set(np.unique(resize(labels, size, "nearest"))) == {3, 200}


def test_area_is_the_mean_of_blocks() -> None:
    picture = np.random.default_rng(0).random((8, 12, 3), dtype=np.float32)
    means = picture.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    assert np.allclose(resize(picture, (4, 6), "area"), means, atol=1e-6)


def test_area_is_smooth_where_it_enlarges() -> None:
    edge = np.zeros((4, 4, 1), np.uint8)
    edge[:, 2:] = 255
    assert len(np.unique(resize(edge, (16, 16), "area"))) > 2


def test_floats_stay_in_their_range_and_16_bits_become_floats() -> None:
    edge = np.zeros((8, 8, 1), np.float32)
    edge[:, 4:] = 1
    large = resize(edge, (32, 32), "bicubic")
    assert large.min() == 0
    assert large.max() == 1
    deep = resize((edge * 65535).astype(np.uint16), (4, 4), "area")
    assert deep.dtype == np.float32
    assert deep.max() == 1


def test_the_same_size_is_left_alone() -> None:
    assert resize(CHECKS, (64, 64), "bicubic") is CHECKS


def test_as_unit() -> None:
    assert as_unit(np.array([0, 255], np.uint8)).tolist() == [0.0, 1.0]
    assert as_unit(np.array([0, 65535], np.uint16)).tolist() == [0.0, 1.0]
    assert as_unit(np.array([0.25], np.float32)).tolist() == [0.25]
