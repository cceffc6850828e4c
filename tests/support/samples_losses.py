"""What the conformance kit tries the built-in losses with, where it cannot make it up (see test_testing.py)."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.training.tensorfile import tensor_chunks

VGG19 = {
    index: shape
    for index, *shape in [
        (0, 64, 3), (2, 64, 64), (5, 128, 64), (7, 128, 128), (10, 256, 128), (12, 256, 256), (14, 256, 256),
        (16, 256, 256), (19, 512, 256), (21, 512, 512), (23, 512, 512), (25, 512, 512), (28, 512, 512),
    ]
}  # fmt: skip


def small_vgg19(seed: int = 0) -> dict[str, Tensor]:
    """Weights in the form of torchvision's VGG-19 that are soon made: each channel has one kernel for all.

    Divided by the number of channels, so that no layer's features are much larger than another's.
    """
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for index, (after, before) in VGG19.items():
        kernels = torch.randn(after, 1, 3, 3, generator=generator) * (0.9 / before)
        state[f"features.{index}.weight"] = kernels.expand(after, before, 3, 3)
        state[f"features.{index}.bias"] = torch.randn(after, generator=generator) * 0.1
    return state


def _weights_file() -> str:
    folder = tempfile.TemporaryDirectory(prefix="translate-vgg19-")
    atexit.register(folder.cleanup)
    return str(write_vgg19(Path(folder.name) / "vgg19-small.safetensors", small_vgg19()))


def write_vgg19(file: Path, state: dict[str, Tensor]) -> Path:
    """Write weights as `translate import-weights` does."""
    _, chunks = tensor_chunks(state, {})
    file.write_bytes(b"".join(chunks))
    return file


def _features() -> dict[str, Any]:
    def make() -> list[Tensor]:
        return [F.normalize(torch.randn(2, 9, size), dim=2).requires_grad_() for size in (4, 8)]

    return {"of": make(), "to": make()}


SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("loss", "mutual_information"): {
        "values": lambda: {"of": torch.randn(2, 4, requires_grad=True), "to": torch.eye(4)[:2]}
    },
    ("loss", "feature_matching"): {"constants": {"to"}},
    ("loss", "perceptual"): {"choices": {"weights_file": _weights_file()}, "constants": {"to"}},
    ("loss", "patch_nce"): {"values": _features, "constants": {"to.0", "to.1"}},
    ("loss", "bernoulli"): {"constants": {"to"}},
    ("loss", "kl"): {"values": lambda: {"of": torch.randn(2, 8, requires_grad=True)}},
    ("loss", "cross_entropy"): {
        "values": lambda: {"of": torch.randn(2, 4, requires_grad=True), "to": torch.tensor([3, 0])}
    },
}
