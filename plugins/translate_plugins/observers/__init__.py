"""Built-in observers: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl

_SUMMARIES = {
    "terminal": "Progress bar with losses, speed and time left; plain lines where there is no terminal.",
    "metrics_file": "One JSON object for each logged step in metrics.jsonl.",
    "samples": "A picture grid of the fixed preview inputs in samples/000500.png.",
    "tensorboard": "Curves and previews as TensorBoard events (needs the extra 'tensorboard').",
    "health": "Says in plain words when a training goes wrong, and what to try.",
}


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in observers."""
    for name, summary in _SUMMARIES.items():
        target = f"translate_plugins.observers.{name}:{''.join(word.title() for word in name.split('_'))}"
        yield Component(kind="observer", name=name, target=target, summary=summary)
