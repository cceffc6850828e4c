"""A run of one step whose exports take latents of every law, a label, and a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_sets import write_idx

import translate
from translate.training.opening import open_trained


def train(folder: Path) -> Path:
    """Train it below a folder."""
    data, out = folder / "digits", folder / "run"
    data.mkdir()
    generator = np.random.default_rng(0)
    for name, count in (("train", 24), ("t10k", 12)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write_idx(data / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(data / f"{name}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    document = {
        "description": "A tiny pipeline for tests.",
        "data": {"dataset": "idx", "root": str(data), "workers": 0},
        "latents": {
            "z": {"latent": "normal", "size": 4},
            "wide": {"latent": "normal", "size": 4, "std": 5},
            "c": {"latent": "categorical", "classes": 3},
            "style": {"latent": "uniform", "size": 2, "low": 0.0, "high": 0.5},
            "map": {"latent": "normal", "size": [1, 28, 28]},
            "psi": {"latent": "constant", "value": 0.7},
        },
        "networks": {
            "G": {"generator": "stack", "makes": "image", "layers": ["fc8 relu", "fc*"]},
            "H": {"generator": "stack", "makes": "image", "layers": ["c4k3 relu", "c*k3"]},
            "D": {"discriminator": "stack", "layers": ["fc1"]},
        },
        "flow": {"fake": "G(z, wide, c, style, psi, label)", "edited": "H(image, map)"},
        "losses": {
            "adversarial": {"loss": "bce", "real": "D(image)", "fake": "D(fake)"},
            "near": {"loss": "l1", "of": "edited", "to": "image"},
        },
        "training": {"steps": 1, "batch_size": 4, "preview_every": 0},
        "preview": ["fake", "edited"],
        "export": {
            "make": {"inputs": ["z", "wide", "c", "style", "psi", "label"], "output": "fake"},
            "edit": {"inputs": ["image", "map"], "output": "edited"},
        },
    }
    translate.train(translate.load_pipeline(document), out=out)
    return out


def lively(folder: Path) -> object:
    """The run opened, with weights at which every input is seen in the pictures."""
    import torch

    opened = open_trained(folder)
    generator = torch.Generator().manual_seed(7)
    for network in opened.game.networks.values():
        for tensor in network.parameters():
            tensor.data = torch.randn(tensor.shape, generator=generator) * (0.3 if tensor.ndim > 1 else 0.1)
    return opened
