"""Nested plain values and tensors as JSON plus a flat mapping of tensors, and back, exactly.

| value | in JSON |
|---|---|
| None, bool, int, str, list, finite float | itself (a float keeps its point: `1.0` stays a float; `repr` is exact) |
| float that is not finite | `{"$float": "7ff0000000000000"}`, its 64 bits |
| tuple | `{"$tuple": [...]}` |
| bytes | `{"$bytes": "base64"}` |
| tensor | `{"$tensor": "name"}`, the tensor itself beside it |
| dict with str keys, none of which starts with `$` | an object |
| any other dict (keys str or int) | `{"$dict": [[key, value], ...]}` |

Anything else is refused: a state that cannot be saved exactly must not be saved at all. Subclasses of dict (such as the
`OrderedDict` of a state_dict) come back as plain dicts, a `Parameter` as a plain tensor.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

Tree = Any
"""A nested dict, list or tuple of tensors, numbers, str, bytes, bool and None; keys are str or int."""

MAX_DEPTH: Final = 64
_MAX_BITS: Final = 4096  # far below the number of digits that Python refuses to read
_PLAIN: Final = (type(None), bool, int, str)


class TreeError(ValueError):
    """A value that cannot be encoded, or a text that does not decode; says where."""


def encode_tree(tree: Tree) -> tuple[Any, dict[str, Tensor]]:
    """Split a tree into what JSON can hold and its tensors.

    Args:
        tree: See `Tree`.

    Returns:
        The value for `json.dumps` and the tensors by name (the path that leads to them).

    Raises:
        TreeError: A value or key of another type, or nesting deeper than `MAX_DEPTH`.
    """
    tensors: dict[str, Tensor] = {}
    return _encode(tree, (), tensors), tensors


def decode_tree(value: Any, tensors: Mapping[str, Tensor]) -> Tree:
    """Put together again what `encode_tree` made.

    Args:
        value: What `json.loads` returned.
        tensors: The tensors by name.

    Raises:
        TreeError: An unknown mark, a missing tensor, or malformed content; names the place.
    """
    return _decode(value, (), tensors)


def _encode(value: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    if len(path) > MAX_DEPTH:
        raise TreeError(f"{_text(path)}: nested deeper than {MAX_DEPTH}")
    if type(value) in _PLAIN:
        if type(value) is int and value.bit_length() > _MAX_BITS:
            raise TreeError(f"{_text(path)}: an int of {value.bit_length()} bits cannot be saved")
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": struct.pack(">d", value).hex()}
    if isinstance(value, Tensor):
        return {"$tensor": _add(value, path, tensors)}
    if type(value) is list:
        return [_encode(item, (*path, str(i)), tensors) for i, item in enumerate(value)]
    if isinstance(value, tuple) and type(value) in {tuple, torch.Size}:
        return {"$tuple": [_encode(item, (*path, str(i)), tensors) for i, item in enumerate(value)]}
    if type(value) is bytes:
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, dict):
        return _encode_dict(value, path, tensors)
    raise TreeError(f"{_text(path)}: a {type(value).__module__}.{type(value).__qualname__} cannot be saved")


def _encode_dict(value: dict[Any, Any], path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    for key in value:
        if type(key) not in {str, int}:
            raise TreeError(f"{_text(path)}: the key {key!r} is neither str nor int")
    items = [(key, _encode(item, (*path, str(key)), tensors)) for key, item in value.items()]
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return dict(items)
    return {"$dict": [[key, item] for key, item in items]}


def _add(tensor: Tensor, path: tuple[str, ...], tensors: dict[str, Tensor]) -> str:
    base = name = _text(path).encode("ascii", "backslashreplace").decode("ascii")
    count = 1
    while name in tensors:  # the keys 1 and "1", or a key with a slash in it
        count += 1
        name = f"{base}#{count}"
    tensors[name] = tensor.detach()
    return name


def _decode(value: Any, path: tuple[str, ...], tensors: Mapping[str, Tensor]) -> Any:
    if len(path) > MAX_DEPTH:
        raise TreeError(f"{_text(path)}: nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_decode(item, (*path, str(i)), tensors) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    mark = next((key for key in value if key.startswith("$")), None)
    if mark is None:
        return {key: _decode(item, (*path, key), tensors) for key, item in value.items()}
    if len(value) != 1:
        raise TreeError(f"{_text(path)}: {mark} stands beside other keys")
    return _decode_marked(mark, value[mark], path, tensors)


def _decode_marked(mark: str, content: Any, path: tuple[str, ...], tensors: Mapping[str, Tensor]) -> Any:
    try:
        match mark, content:
            case "$float", str():
                return float(struct.unpack(">d", bytes.fromhex(content))[0])
            case "$bytes", str():
                return base64.b64decode(content, validate=True)
            case "$tuple", list():
                return tuple(_decode(item, (*path, str(i)), tensors) for i, item in enumerate(content))
            case "$tensor", str():
                return tensors[content]
            case "$dict", list():
                return {_key(key, path): _decode(item, (*path, str(key)), tensors) for key, item in content}
    except KeyError:
        raise TreeError(f"{_text(path)}: the tensor {content!r} is not there") from None
    except (ValueError, TypeError, struct.error, binascii.Error) as exc:
        if isinstance(exc, TreeError):
            raise
        raise TreeError(f"{_text(path)}: malformed {mark} ({exc})") from None
    raise TreeError(f"{_text(path)}: unknown mark {mark!r}")


def _key(key: Any, path: tuple[str, ...]) -> str | int:
    if type(key) in {str, int}:
        return key  # type: ignore[no-any-return]
    raise TreeError(f"{_text(path)}: the key {key!r} is neither str nor int")


def _text(path: tuple[str, ...]) -> str:
    return "/" + "/".join(path)
