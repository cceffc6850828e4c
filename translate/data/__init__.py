"""Data: what a dataset is, transforms, and the stream of batches. Imports nothing heavy."""

from __future__ import annotations

from translate.data.request import Array, DataRequest, Dataset

__all__ = ["Array", "DataRequest", "Dataset"]
