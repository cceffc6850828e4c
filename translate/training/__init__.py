"""Training: turns, the loop, checkpoints, runs."""

from __future__ import annotations

from translate.training.loop import TrainingResult, train

__all__ = ["TrainingResult", "train"]
