"""Pipelines: loading, checking, building and evaluating them."""

from __future__ import annotations

from translate.pipeline.loading import load_pipeline
from translate.pipeline.schema import json_schema
from translate.pipeline.settings import Pipeline

__all__ = ["Pipeline", "json_schema", "load_pipeline"]
