"""Drawings of a game: networks, flow, terms and turns as text, Mermaid or SVG."""

from __future__ import annotations

from translate.drawing.game import describe, draw

__all__ = ["describe", "draw"]
