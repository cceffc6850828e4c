"""What the conformance kit tries the built-in metrics with, where it cannot make it up (see test_testing.py)."""

from __future__ import annotations

from typing import Any

import torch


def judged() -> dict[str, Any]:
    """A handful of small pictures with classes, for a metric that learns from them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(12) % 3
    examples = (torch.rand(12, 1, 20, 18, generator=generator) * 0.5) + labels.view(-1, 1, 1, 1) / 6
    others = {"of": examples[:6], "to": examples[6:], "label": labels[:6], "to_label": labels[6:]}
    return {"examples": examples, "labels": labels, **others}


def painted() -> dict[str, Any]:
    """Label maps of three colours, with some pixels changed."""
    colours = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    classes = torch.randint(3, (4, 8, 8), generator=torch.Generator().manual_seed(0))
    truth = colours[classes].movedim(-1, 1)
    return {"of": truth.roll(1, 2), "to": truth, "examples": truth}


SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("metric", "classifier"): {"values": judged},
    ("metric", "palette_accuracy"): {"values": painted},
}
