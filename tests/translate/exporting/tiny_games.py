"""Tiny games for the tests of export and inference, as an opened run would hand them over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from translate import Image, Label, Spec
from translate.pipeline import load_pipeline
from translate.pipeline.building import build
from translate.training.opening import Opened

PRIVATE = "/home/somebody/private-pictures"


def document(generator: dict[str, Any], **sections: Any) -> dict[str, Any]:
    return {
        "description": "A tiny pipeline for tests.",
        "data": {"dataset": "paired_folders", "root": PRIVATE},
        "networks": {
            "G": {"makes": "target", **generator},
            "D": {"discriminator": "patchgan", "width": 4, "receptive_field": 16},
        },
        "flow": {"fake": "G(source)"},
        "losses": {"adversarial": {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"}},
        "training": {"steps": 10},
        "export": {"translate": {"inputs": ["source"], "output": "fake"}},
        **sections,
    }


def opened(folder: Path, data: dict[str, Any], size: int = 16, fields: dict[str, Spec] | None = None) -> Opened:
    pipeline = load_pipeline(data)
    game = build(pipeline, fields or {"source": Image(3, size, size), "target": Image(3, size, size)})
    generator = torch.Generator().manual_seed(7)
    for network in game.networks.values():  # so that pictures are lively, and statistics not those of a fresh network
        for name, tensor in network.state_dict().items():
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_mean"):
                tensor.copy_(0.2 * noise)
            elif name.endswith("running_var"):
                tensor.copy_(0.5 + noise.abs())
            elif tensor.ndim > 1:
                tensor.copy_(noise * (2 / tensor[0].numel()) ** 0.5)
            elif tensor.is_floating_point():
                tensor.add_(0.1 * noise)
    return Opened(
        pipeline=pipeline,
        game=game,
        step=500,
        checkpoint=folder / "checkpoints/000500",
        run_folder=folder,
        manifest={},
    )


__all__ = ["Image", "Label", "document", "opened"]
