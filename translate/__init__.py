"""Image-to-image translation with GANs: models are YAML pipelines over plugin components.

`load_pipeline`, `train`, `export`, `sample` and `Translator` are imported when they are first used, so that
`import translate` stays light: neither torch nor onnxruntime is loaded by it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from translate.components import Command, Component, ShippedPipeline
from translate.hookspecs import hookimpl
from translate.signatures import marked
from translate.specs import Image, Label, Scalar, Spec, Tensor, Vector

if TYPE_CHECKING:
    from translate.exporting import export
    from translate.inference import Translator
    from translate.pipeline import load_pipeline
    from translate.sampling import sample
    from translate.training import train

__version__ = "0.1.0"

__all__ = [
    "Command",
    "Component",
    "Image",
    "Label",
    "Scalar",
    "ShippedPipeline",
    "Spec",
    "Tensor",
    "Translator",
    "Vector",
    "export",
    "hookimpl",
    "load_pipeline",
    "marked",
    "sample",
    "train",
]

_LAZY = {
    "Translator": "translate.inference",
    "export": "translate.exporting",
    "load_pipeline": "translate.pipeline",
    "sample": "translate.sampling",
    "train": "translate.training",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    msg = f"module 'translate' has no attribute {name!r}"
    raise AttributeError(msg)
