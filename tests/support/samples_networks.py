"""What the conformance kit tries the built-in networks with, where it cannot make it up itself."""

from __future__ import annotations

from typing import Any

from translate import Image, Label, Tensor, Vector
from translate.specs import Several

SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("generator", "stack"): {
        "inputs": [Image(3, 32, 32), Vector(4), Label(3)],
        "choices": {"makes": Image(3, 32, 32), "layers": ["c8k7r instance relu", "c8k4s2 batch elu", "t*k4s2"]},
    },
    ("discriminator", "stack"): {
        "choices": {"layers": ["c8k4s2 leaky pool2", "c8 batch prelu dropout0.5", "fc8 layer leaky", "fc1"]},
    },
    ("generator", "resnet_encoder"): {"choices": {"blocks": 2, "features": True}},
    ("generator", "resnet_decoder"): {"inputs": [Tensor((16, 8, 8))], "choices": {"makes": Image(3, 32, 32)}},
    ("generator", "spade"): {"inputs": [Image(5, 32, 32), Vector(4)], "choices": {"width": 2, "hidden": 4}},
    ("generator", "projector"): {"inputs": [Several((Tensor((16, 3)), Tensor((16, 8))))], "choices": {"size": 8}},
}
