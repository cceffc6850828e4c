from __future__ import annotations

import numpy as np
import pytest

from translate.errors import ModelFileError, UsageError
from translate.inference import Translator, translate_tiled
from translate.inference.tiles import _Axis

BLUR = """
<ir_version: 8, opset_import: ["" : 18]>
g (uint8[batch, height, width, 1] image) => (uint8[batch, height, width, 1] out) {
  f = Cast<to = 1>(image)
  x = Transpose<perm = [0, 3, 1, 2]>(f)
  y = AveragePool<kernel_shape = [9, 9], pads = [4, 4, 4, 4]>(x)
  z = Transpose<perm = [0, 2, 3, 1]>(y)
  r = Round(z)
  out = Cast<to = 2>(r)
}
"""


@pytest.mark.parametrize("size", [(9, 7), (20, 20), (33, 50), (16, 5)])
@pytest.mark.parametrize(("tile", "overlap"), [(8, 0), (8, 3), (16, 7), (64, 8)])
def test_a_pixelwise_file_gives_the_same_in_tiles(invert, size, tile, overlap):
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert np.array_equal(translate_tiled(Translator(invert), picture, tile=tile, overlap=overlap), 255 - picture)


@pytest.mark.parametrize(("taken", "made"), [(8, 16), (16, 16), (16, 8)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_tiles_of_either_depth_and_any_channels(invert_deep, taken, made, channels):
    translator = Translator(invert_deep(taken, made, channels))
    dtype = {8: np.uint8, 16: np.uint16}[taken]
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (33, 50, channels), dtype, endpoint=True)
    picture[0, 0], picture[-1, -1] = 0, np.iinfo(dtype).max
    tiled = translate_tiled(translator, picture, tile=16, overlap=7)
    assert tiled.dtype == {8: np.uint8, 16: np.uint16}[made]
    assert np.array_equal(tiled, translator(picture))


@pytest.mark.parametrize(("length", "tile", "overlap"), [(50, 8, 3), (17, 16, 7), (100, 30, 14), (5, 8, 2), (8, 8, 0)])
def test_shares_sum_to_one_everywhere(length, tile, overlap):
    axis = _Axis(length, tile, overlap)
    total = np.zeros(length)
    for start in axis.starts:
        total[start : start + axis.tile] += axis.shares(start)
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + axis.tile == length
    assert all(later - earlier <= tile - overlap for earlier, later in zip(axis.starts, axis.starts[1:], strict=False))


def test_seams_on_a_smooth_picture_are_small_and_blending_is_why(tmp_path, invert):
    """At its border a tile sees zeros beyond it: without overlap the seams are plain, with it they are gone."""
    import onnx

    path = tmp_path / "blur.onnx"
    onnx.save(onnx.parser.parse_model(BLUR), str(path))
    rows, columns = np.mgrid[0:96, 0:120]
    smooth = (40 + rows + columns * 0.9).astype(np.uint8)
    translator = Translator(path)
    whole = translator(smooth).astype(int)
    inside = (slice(12, -12), slice(12, -12))
    hard = np.abs(translate_tiled(translator, smooth, tile=40, overlap=0).astype(int) - whole)[inside].max()
    soft = translate_tiled(translator, smooth, tile=40, overlap=19).astype(int)
    assert hard >= 4
    assert np.abs(soft - whole)[inside].max() <= hard / 2
    steps = np.abs(np.diff(soft[inside][:, :, 0], axis=1)).max()
    assert steps <= 3


def test_a_fixed_file_is_tiled_in_its_own_size(tmp_path):
    import onnx

    text = BLUR.replace("batch, height, width, 1", "1, 16, 16, 1")
    path = tmp_path / "fixed.onnx"
    onnx.save(onnx.parser.parse_model(text), str(path))
    picture = np.full((40, 23), 100, np.uint8)
    assert translate_tiled(Translator(path), picture, tile=16, overlap=4).shape == (40, 23, 1)
    with pytest.raises(ModelFileError, match="16x16"):
        translate_tiled(Translator(path), picture, tile=20, overlap=4)


def test_all_tiles_get_the_same_latent(shift):
    grey = np.full((20, 30, 3), 128, np.uint8)
    translator = Translator(shift)
    tiled = translate_tiled(translator, grey, tile=8, overlap=2, seed=3, index=7)
    assert len(np.unique(tiled.reshape(-1, 3), axis=0)) == 1
    assert np.array_equal(tiled, translator(grey, seed=3, indices=[7]))


@pytest.mark.parametrize(("tile", "overlap"), [(8, 4), (0, 0), (8, -1)])
def test_impossible_tiles_are_refused(invert, tile, overlap):
    with pytest.raises(UsageError, match="cannot overlap"):
        translate_tiled(Translator(invert), np.zeros((9, 9, 3), np.uint8), tile=tile, overlap=overlap)
