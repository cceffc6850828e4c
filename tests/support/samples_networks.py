"""What the conformance kit tries the built-in networks with, where it cannot make it up itself."""

from __future__ import annotations

from typing import Any

from translate import Image, Label, Tensor, Vector
from translate.specs import Several

SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("generator", "progressive"): {
        "inputs": [Vector(8), Label(3), Image(1, 4, 4)],
        "choices": {"makes": Image(3, 16, 16), "base": 64, "scales": "all"},
    },
    ("discriminator", "progressive"): {
        "inputs": [Several((Image(3, 4, 4), Image(3, 8, 8), Image(3, 16, 16))), Label(3), Vector(2)],
        "choices": {"base": 64, "outputs": 3},
    },
    ("generator", "embedding"): {"inputs": [Label(4)], "choices": {"size": 8}},
    ("discriminator", "embedding"): {"inputs": [Label(4)], "choices": {"makes": Image(3, 16, 16)}},
    ("generator", "stack"): {
        "inputs": [Image(3, 32, 32), Vector(4), Label(3)],
        "choices": {"makes": Image(3, 32, 32), "layers": ["c8k7r relu instance", "c8k4s2 batch elu", "t*k4s2"]},
    },
    ("discriminator", "stack"): {
        "choices": {"layers": ["c8k4s2 leaky pool2", "c8 batch prelu dropout0.5", "fc8 layer leaky", "fc1"]},
    },
    ("discriminator", "minibatch_discrimination"): {
        "inputs": [Image(3, 4, 4), Vector(4)],
        "choices": {"kernels": 4, "size": 3},
        "onnx": True,
    },
    ("generator", "resnet_encoder"): {"choices": {"blocks": 2, "features": True}},
    ("generator", "resnet_decoder"): {"inputs": [Tensor((16, 8, 8))], "choices": {"makes": Image(3, 32, 32)}},
    ("generator", "spade"): {"inputs": [Image(5, 32, 32), Vector(4)], "choices": {"width": 2, "hidden": 4}},
    ("generator", "draw"): {
        "inputs": [Vector(12), Image(2, 9, 7, 0.0, 1.0), Label(3), Vector(2)],
        "choices": {"makes": Image(2, 9, 7, 0.0, 1.0), "glimpses": 3, "hidden": 8},
    },
    ("generator", "projector"): {"inputs": [Several((Tensor((16, 3)), Tensor((16, 8))))], "choices": {"size": 8}},
    ("generator", "synthesis"): {
        "inputs": [Vector(8), Vector(8), Label(7)],
        "choices": {"makes": Image(3, 16, 16), "base": 32},
        "onnx": True,
    },
}
