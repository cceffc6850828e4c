"""Make the small run, with its exported file, that stands under `tests/fixtures` for ever: one for each format.

    python tests/support/keep_checkpoint.py tests/fixtures/checkpoint_format_1

It is run once for a format, with the version that introduces it, and never again: the folders show that what was saved
long ago still opens.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import torch

KEPT: Final = ("pipeline.yaml", "manifest.json", "checkpoints", "exports")

PIPELINE: Final[dict[str, Any]] = {
    "description": "A small run that is kept for ever.",
    "data": {"dataset": "drawn", "count": 4, "test_count": 2, "image_size": 16, "workers": 0},
    "latents": {"z": {"latent": "normal", "size": 3}},
    "networks": {
        "G": {"generator": "stack", "makes": "target", "layers": ["c4k3 batch relu dropout0.5", "c*k3"]},
        "D": {"discriminator": "stack", "layers": ["c4k4s2 leaky", "c1k4p1"]},
    },
    "flow": {"fake": "G(source, z)"},
    "losses": {
        "adversarial": {
            "loss": "bce",
            "real": "D(concat(source, target))",
            "fake": "D(pool(concat(source, fake), size=4))",
        },
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 10},
    },
    "training": {
        "steps": 2,
        "batch_size": 2,
        "checkpoint_every": 2,
        "preview_every": 0,
        "device": "cpu",
        "ema": {"decay": 0.9},
        "observers": [],
        "optimizers": {
            "generators": {
                "name": "adam",
                "lr": {"schedule": "linear", "initial": 0.01, "final": 0.0, "start": 2, "end": 8},
            }
        },
    },
    "preview": ["source", "fake"],
    "export": {"translate": {"inputs": ["source", "z"], "output": "fake"}},
}


def answer(folder: Path) -> list[float]:
    """A few numbers that depend on every weight of the averaged generator."""
    from translate.training.opening import open_trained

    network = open_trained(folder).game.networks["G"].eval()
    ramp = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    with torch.no_grad():
        made = network(ramp, torch.tensor([[0.5, -1.0, 2.0]]))
    return [round(value, 5) for value in made.flatten()[::97].tolist()]


def main() -> None:
    """Train it, and keep what a reader needs."""
    from translate.exporting import export
    from translate.training import train

    target = Path(sys.argv[1])
    if target.exists():
        sys.exit(f"{target} is there; what is kept is never made again")
    run = target.with_name(f"{target.name}.part")
    train(PIPELINE, out=run)
    export(run)
    target.mkdir(parents=True)
    for name in KEPT:
        shutil.move(run / name, target / name)
    shutil.rmtree(run)
    (target / "answer.json").write_text(json.dumps(answer(target)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
