"""Small ONNX files, written by hand: no torch, no exporter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

INVERT = """
<ir_version: 8, opset_import: ["" : 18]>
g (uint8[{shape}] image) => (uint8[{shape}] out) {{
  f = Cast<to = 1>(image)
  c = Constant<value = float {{255.0}}>()
  d = Sub(c, f)
  out = Cast<to = 2>(d)
}}
"""
DEEP = """
<ir_version: 8, opset_import: ["" : 18]>
g (uint{taken}[batch, height, width, {channels}] image) => (uint{made}[batch, height, width, {channels}] out) {{
  f = Cast<to = 1>(image)
  white = Constant<value = float {{{white}.0}}>()
  full = Constant<value = float {{{full}.0}}>()
  u = Div(f, white)
  v = Mul(u, full)
  d = Sub(full, v)
  r = Round(d)
  out = Cast<to = {kind}>(r)
}}
"""
SHIFT = """
<ir_version: 8, opset_import: ["" : 18]>
g (uint8[batch, height, width, 3] image, float[batch, 3] z) => (uint8[batch, height, width, 3] out) {
  f = Cast<to = 1>(image)
  axes = Constant<value = int64[2] {1, 2}>()
  y = Unsqueeze(z, axes)
  ten = Constant<value = float {10.0}>()
  low = Constant<value = float {0.0}>()
  high = Constant<value = float {255.0}>()
  s = Mul(y, ten)
  a = Add(f, s)
  b = Clip(a, low, high)
  out = Cast<to = 2>(b)
}
"""
FLOATS = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[batch, 3, height, width] image) => (float[batch, 3, height, width] out) { out = Neg(image) }
"""


def save(path: Path, text: str, metadata: dict[str, str] | None = None) -> Path:
    model = onnx.parser.parse_model(text)
    if metadata:
        onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def invert(tmp_path):
    """Any size, three channels, no metadata of ours."""
    return save(tmp_path / "invert.onnx", INVERT.format(shape="batch, height, width, 3"))


@pytest.fixture
def invert_grey(tmp_path):
    return save(tmp_path / "grey.onnx", INVERT.format(shape="batch, height, width, 1"))


@pytest.fixture
def invert_fixed(tmp_path):
    """Two pictures of 8 x 6 at a time."""
    return save(tmp_path / "fixed.onnx", INVERT.format(shape="2, 8, 6, 3"))


@pytest.fixture
def invert_deep(tmp_path):
    """A function of depths and channels that gives a file which makes negatives: 65535 is white in 16 bits."""

    def make(taken: int = 16, made: int = 16, channels: int | str = 3) -> Path:
        white = {8: 255, 16: 65535}
        text = DEEP.format(
            taken=taken, made=made, channels=channels, white=white[taken], full=white[made], kind={8: 2, 16: 4}[made]
        )
        return save(tmp_path / f"deep_{taken}_{made}_{channels}.onnx", text)

    return make


@pytest.fixture
def shift(tmp_path):
    """A file of ours that takes a latent."""
    inputs = [{"name": "image", "kind": "image"}, {"name": "z", "kind": "vector", "law": {"name": "normal", "size": 3}}]
    metadata = {"format_version": "1", "size_divisor": "1", "inputs": json.dumps(inputs), "step": "5"}
    return save(tmp_path / "shift.onnx", SHIFT, metadata)


@pytest.fixture
def floats(tmp_path):
    return save(tmp_path / "floats.onnx", FLOATS)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)


@pytest.fixture
def saved():
    """Save an array (or a Pillow image) as a picture and return its path."""

    def save_picture(path: Path, array) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        (array if isinstance(array, Image.Image) else Image.fromarray(array)).save(path)
        return path

    return save_picture
