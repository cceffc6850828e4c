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


def codes() -> dict[str, Any]:
    """Codes, and samples of a prior."""
    generator = torch.Generator().manual_seed(0)
    of, to = (torch.randn(32, 4, generator=generator) for _ in range(2))
    return {"of": of + 1, "to": to}


def redrawn() -> dict[str, Any]:
    """Black and white pictures, their probabilities, and codes of them."""
    generator = torch.Generator().manual_seed(0)
    of = torch.rand(4, 1, 8, 8, generator=generator)
    code = torch.randn(4, 6, generator=generator)
    return {"of": of, "to": (of > 0.4).float(), "code": code}


def points() -> dict[str, Any]:
    """Points near the corners of a square."""
    centre = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]).repeat(2, 1)
    noise = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
    return {"of": centre + 0.1 * noise, "centre": centre, "sigma": torch.full((8, 1), 0.1)}


def stacked() -> dict[str, Any]:
    """Stacks of two dark or bright channels."""
    labels = torch.arange(12) % 4
    digits = torch.stack([labels // 2, labels % 2], 1)
    noise = torch.rand(12, 2, 20, 18, generator=torch.Generator().manual_seed(0))
    examples = noise * 0.5 + digits[:, :, None, None] / 2
    return {"examples": examples, "labels": labels, "of": examples[:6], "to": examples[6:], "to_label": labels[6:]}


SAMPLES: dict[tuple[str, str], dict[str, Any]] = {
    ("metric", "class_accuracy"): {"values": lambda: {"of": torch.eye(4), "to": torch.tensor([0, 2, 1, 3])}},
    ("metric", "class_diversity"): {"values": judged},
    ("metric", "code_correlation"): {
        "values": lambda: {"of": torch.linspace(0, 1, 8).view(4, 2), "to": torch.linspace(0, 1, 8).view(4, 2).square()}
    },
    ("metric", "mutual_information"): {
        "values": lambda: {"of": torch.linspace(0, 1, 8).view(2, 4), "to": torch.eye(4)[:2]}
    },
    ("metric", "elbo"): {"values": redrawn},
    ("metric", "moments"): {"values": codes},
    ("metric", "probe"): {"values": codes},
    ("metric", "classifier"): {"values": judged},
    ("metric", "modes"): {"values": points},
    ("metric", "palette_accuracy"): {"values": painted},
    ("metric", "stacked_modes"): {"choices": {"classes": 2}, "values": stacked},
}
