"""ONNX files for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx


def external(folder: Path, location: str) -> Path:
    """A negative of a picture whose white is read from another file."""
    weight = onnx.numpy_helper.from_array(np.array([255.0], np.float32), "c")
    onnx.external_data_helper.set_external_data(weight, location=location)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 18]>
        g (uint8[n, h, w, 3] image) => (uint8[n, h, w, 3] out) <float[1] c>
        { f = Cast<to = 1>(image) d = Sub(c, f) out = Cast<to = 2>(d) }"""
    )
    del model.graph.initializer[:]
    model.graph.initializer.append(weight)
    path = folder / "external.onnx"
    path.write_bytes(model.SerializeToString())
    return path
