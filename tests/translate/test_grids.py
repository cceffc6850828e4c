"""Picture grids: where pictures land, how channels become colours, what is refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from translate.grids import GAP, TITLE_HEIGHT, as_rgb, picture_grid, unit_to_bytes


def filled(value, shape=(2, 4, 6, 3)):
    return np.full(shape, value, dtype=np.uint8)


def test_pictures_stand_in_rows_and_columns():
    left = np.stack([filled(10, (4, 6, 3)), filled(20, (4, 6, 3))])
    grid = picture_grid({"a": left, "b": left + 100}, titles=False, scale=1)
    assert grid.shape == (GAP + 2 * (4 + GAP), GAP + 2 * (6 + GAP), 3)
    assert grid.dtype == np.uint8
    for row, column, value in [(0, 0, 10), (1, 0, 20), (0, 1, 110), (1, 1, 120)]:
        top, start = GAP + row * (4 + GAP), GAP + column * (6 + GAP)
        assert (grid[top : top + 4, start : start + 6] == value).all()
    outside = grid.astype(int).sum() - 4 * 6 * 3 * (10 + 20 + 110 + 120)
    assert outside == 255 * (grid.size - 4 * 4 * 6 * 3)


def test_titles_are_written_above_and_cut_to_their_column():
    columns = {"a name that is much too long for its column": filled(0), "b": filled(0)}
    grid = picture_grid(columns, scale=10)
    plain = picture_grid(columns, titles=False, scale=10)
    assert grid.shape[0] == plain.shape[0] + TITLE_HEIGHT
    assert (grid[GAP + TITLE_HEIGHT :] == plain[GAP:]).all()
    title = (grid[: GAP + TITLE_HEIGHT] < 128).any(axis=(0, 2))
    assert title[GAP : GAP + 60].any()
    assert not title[GAP + 60 : 2 * GAP + 60].any()  # nothing between the columns
    assert title[2 * GAP + 60 :].any()


@pytest.mark.parametrize(("size", "cell"), [(28, 112), (64, 128), (100, 100), (300, 300), (1, 128)])
def test_small_pictures_are_enlarged_by_a_whole_factor(size, cell):
    assert picture_grid({"a": filled(0, (1, size, size, 1))}, titles=False).shape[0] == cell + 2 * GAP


def test_columns_of_other_sizes_are_enlarged_and_centred():
    grid = picture_grid({"a": filled(0, (1, 8, 8, 3)), "b": filled(7, (1, 3, 4, 1))}, titles=False, scale=1)
    right = grid[GAP:-GAP, 8 + 2 * GAP : -GAP, 0]
    assert right.shape == (8, 8)
    assert (right[1:7] == 7).all()
    assert (right[[0, 7]] == 255).all()


def test_enlarging_repeats_pixels():
    picture = np.array([[[0], [50]], [[100], [150]]], dtype=np.uint8)
    grid = picture_grid({"a": picture[None]}, titles=False, scale=3)
    assert (grid[GAP:-GAP, GAP:-GAP, 0] == picture[..., 0].repeat(3, 0).repeat(3, 1)).all()


def test_channels_become_colours():
    assert (as_rgb(filled(9, (2, 2, 1))) == 9).all()
    colour = np.array([[[1, 2, 3]]], dtype=np.uint8)
    assert (as_rgb(colour) == colour).all()
    assert as_rgb(np.array([[[100, 7]]], dtype=np.uint8)).tolist() == [[[100, 7, 0]]]
    assert as_rgb(np.array([[[10, 20, 30, 255]]], dtype=np.uint8)).tolist() == [[[10, 20, 30]]]
    assert as_rgb(np.array([[[0, 100, 255, 51]]], dtype=np.uint8)).tolist() == [[[204, 224, 255]]]
    for channels in (5, 6, 100):
        many = np.arange(2 * channels, dtype=np.uint8).reshape(1, 2, channels)
        assert (as_rgb(many) == many[..., :3]).all()


@pytest.mark.parametrize("channels", range(1, 8))
def test_16_bits_are_shown_as_8(channels):
    shallow = np.random.default_rng(0).integers(0, 256, (4, 6, channels), dtype=np.uint8)
    deep = shallow.astype(np.uint16) * 257
    assert as_rgb(deep).dtype == np.uint8
    assert (as_rgb(deep) == as_rgb(shallow)).all()
    assert (as_rgb(deep.clip(128) - 128) == as_rgb(shallow)).all()
    columns = {"deep": deep[None], "shallow": shallow[None]}
    grid = picture_grid(columns, titles=False)
    assert (grid == picture_grid({"a": shallow[None], "b": shallow[None]}, titles=False)).all()


@pytest.mark.parametrize(("low", "high"), [(0, 255), (128, 255), (0, 1)])
def test_one_hot_labels_are_a_class_map(low, high):
    maps = (low + np.eye(7, dtype=np.uint8) * (high - low)).astype(np.uint8).reshape(1, 7, 7)
    colours = as_rgb(maps)[0]
    assert len({tuple(colour) for colour in colours.tolist()}) == 7
    two = maps.copy()
    two[0, 0, 3] = high
    assert (as_rgb(two) == two[..., :3]).all(), "two classes in one pixel are no labels"
    flat = np.full((2, 2, 7), 3, dtype=np.uint8)
    assert (as_rgb(flat) == 3).all()


def test_unit_to_bytes_rounds_and_clips():
    images = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 0.25]).reshape(1, 6, 1, 1)
    pictures = unit_to_bytes(images)
    assert pictures.shape == (1, 1, 1, 6)
    assert pictures.ravel().tolist() == [0, 0, 128, 255, 255, 64]
    assert unit_to_bytes(np.zeros((2, 3, 4, 5))).shape == (2, 4, 5, 3)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "no column"),
        ({"a": filled(0), "b": filled(0, (3, 4, 6, 3))}, r"\[2, 3\]"),
        ({"a": filled(0, (0, 4, 6, 3))}, "at least one"),
        ({"wrong": filled(0, (4, 6, 3))}, "'wrong'"),
        ({"wrong": filled(0).astype(np.float32)}, "float32"),
    ],
)
def test_what_is_no_grid_is_refused(columns, says):
    with pytest.raises(ValueError, match=says):
        picture_grid(columns)


def test_a_scale_below_one_is_refused():
    with pytest.raises(ValueError, match="scale"):
        picture_grid({"a": filled(0)}, scale=0)


def test_torch_is_not_imported():
    code = "import sys, translate.grids; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
