"""Using an exported file: numpy, onnxruntime and Pillow, never torch."""

from __future__ import annotations

from translate.inference.files import Translated, translate_files
from translate.inference.tiles import translate_tiled
from translate.inference.translator import InputInfo, Translator

__all__ = ["InputInfo", "Translated", "Translator", "translate_files", "translate_tiled"]
