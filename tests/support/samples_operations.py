"""What the conformance kit tries the built-in operations with, where it cannot make it up (see test_testing.py)."""

from __future__ import annotations

from typing import Any

from translate.specs import Image, Label, Scalar, Vector

_IMAGE = Image(3, 16, 16)

SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("operation", "shrink"): {"inputs": [_IMAGE, Scalar()]},
    ("operation", "last_class"): {"inputs": [Vector(4)]},
    ("operation", "mirror"): {"inputs": [_IMAGE, Vector(1)]},
    ("operation", "noise"): {"inputs": [_IMAGE, Scalar()]},
    ("operation", "paste"): {"inputs": [Image(3, 6, 6), _IMAGE, Image(1, 16, 16)]},
    ("operation", "chroma"): {"inputs": [_IMAGE]},
    ("operation", "lab_to_rgb"): {"inputs": [Image(1, 16, 16), Image(2, 16, 16)]},
    ("operation", "one_hot"): {"inputs": [Label(4)], "choices": {"classes": 4}},
    ("operation", "crop"): {"choices": {"border": 3}},
    ("operation", "halves"): {"inputs": [Vector(8)]},
    ("operation", "reparametrise"): {"inputs": [Vector(8), Vector(4)]},
    ("operation", "pack"): {"choices": {"count": 2}},
    ("operation", "scatter"): {"inputs": [Vector(2), Vector(2)]},
    ("operation", "sample_code"): {"inputs": [Vector(8)]},
    ("operation", "sample_patches"): {"choices": {"count": 5}},
    ("operation", "to_classes"): {"choices": {"palette": [[0, 0, 0], [255, 0, 0], [0, 0, 255]]}},
    ("operation", "truncate"): {"inputs": [Vector(8), Scalar()]},
    ("latent", "constant"): {"choices": {"value": 0.7}, "skip": {"deterministic"}},  # it is meant to be
}
