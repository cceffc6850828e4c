"""Measuring a trained pipeline on held-out data, beside a baseline that learned nothing."""

from __future__ import annotations

from translate.evaluation.measuring import evaluate
from translate.evaluation.report import EvaluationReport

__all__ = ["EvaluationReport", "evaluate"]
