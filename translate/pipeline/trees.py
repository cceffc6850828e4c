"""Nested values: tensors inside lists, tuples, mappings, named tuples and dataclasses."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from translate.errors import did_you_mean


def map_tensors(function: Callable[[torch.Tensor], Any], value: Any) -> Any:
    """Apply a function to every tensor of a nested value and keep the nesting."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, Mapping):
        return {key: map_tensors(function, item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(function, item) for item in value))
    if isinstance(value, list | tuple):
        return type(value)([map_tensors(function, item) for item in value])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: map_tensors(function, getattr(value, f.name)) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **parts)
    return value


def tensors(value: Any) -> Iterator[torch.Tensor]:
    """Every tensor of a nested value."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from tensors(getattr(value, part.name))


def read_attribute(value: Any, name: str) -> Any:
    """A part of a structured output: a key of a mapping, or an attribute of a named tuple or dataclass.

    Raises:
        AttributeError: There is no such part; says which there are.
    """
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        parts = list(value)
    else:
        names: Any = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", ())
        parts = list(names)
        if name in parts:
            return getattr(value, name)
    listed = ", ".join(map(str, parts)) or "none, it is a plain tensor"
    msg = f"there is no part '{name}'.{did_you_mean(name, map(str, parts))} Parts: {listed}"
    raise AttributeError(msg)
