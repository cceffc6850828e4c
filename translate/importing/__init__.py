"""Weights from strangers: a `.pth` file becomes a safetensors file, in a process of its own.

This is the one door for files that torch pickled: no other source of the project opens one, and none falls back to
another way. Metrics whose library opens its own have them looked through here first.
"""

from __future__ import annotations

from translate.importing.weights import Entry, Foreign, check_output, import_weights, read_foreign

__all__ = ["Entry", "Foreign", "check_output", "import_weights", "read_foreign"]
