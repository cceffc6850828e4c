"""Data as readable YAML that `parse_document` reads back to the identical data."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

from translate.pipeline.scalars import read_scalar

WIDTH: Final = 120
_INDENT = "  "

# Texts that need no quotes: a conservative part of what YAML allows. In brackets, commas and colons end a value.
_BARE_BLOCK = re.compile(r"[^\W_][\w .,/()+=@*<>:;~%\[\]{}'\"-]*\Z|[_./][^\W][\w./-]*\Z")
_BARE_FLOW = re.compile(r"[^\W_][\w ./()+=@*<>;~%-]*\Z|[_./][^\W][\w./-]*\Z")
_TO_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_IN_BLOCK = re.compile("[\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*\\Z")


def dump(data: Mapping[str, Any]) -> str:
    """Write data as YAML: key order kept, short lists in brackets, long ones one item a line.

    >>> print(dump({"flow": {"fake": "G(source)"}, "size": [1, "on"], "rate": 1e-5, "mode": "true"}), end="")
    flow:
      fake: G(source)
    size: [1, on]
    rate: 1e-05
    mode: "true"

    Raises:
        TypeError: Something in it is not a mapping with string keys, a sequence or a scalar.
        ValueError: A number is not a number (NaN).
    """
    return "\n".join(_mapping(data, 0) if data else ["{}"]) + "\n"


def _mapping(data: Mapping[str, Any], level: int) -> list[str]:
    lines = []
    for key, value in data.items():
        lines += _entry(f"{_INDENT * level}{_key(key)}:", value, level + 1)
    return lines


def _sequence(items: Sequence[Any], level: int) -> list[str]:
    lines = []
    for item in items:
        head = f"{_INDENT * level}-"
        entry = _entry(head, item, level + 1)
        if entry[0] == head:  # the first line of a collection stands on the line of its dash
            entry = [f"{head} {entry[1].lstrip(' ')}", *entry[2:]]
        lines += entry
    return lines


def _collection(value: Any, level: int) -> list[str]:
    return _mapping(value, level) if isinstance(value, Mapping) else _sequence(value, level)


def _entry(head: str, value: Any, level: int) -> list[str]:
    """`head value`, in one line where it is short, else on the lines below."""
    if isinstance(value, str):
        return _string_entry(head, value, level)
    if _is_scalar(value) or not value or (not isinstance(value, Mapping) and _flow_fits(head, value)):
        return [f"{head} {_flow(value)}"]
    return [head, *_collection(value, level)]


def _string_entry(head: str, value: str, level: int) -> list[str]:
    """A text: bare, quoted, or as a block where it is long or has several lines."""
    indent = _INDENT * level
    lines = value.removesuffix("\n").split("\n")
    one_line = f"{head} {_text(value, flow=False)}"
    if lines[0] and lines[-1] and _IN_BLOCK.match(value) and all(line == line.strip(" ") for line in lines):
        if len(lines) > 1:
            return [f"{head} {'|' if value.endswith(chr(10)) else '|-'}", *(line and indent + line for line in lines)]
        words = value.split(" ")
        if len(one_line) > WIDTH and "\n" not in value and len(words) > 1 and all(words):
            wrapped = textwrap.wrap(value, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
            if " ".join(wrapped) == value:
                return [f"{head} >-", *(indent + line for line in wrapped)]
    return [one_line]


def _flow_fits(head: str, value: Any) -> bool:
    return not value or (_depth(value) <= 2 and len(head) + 1 + len(_flow(value)) <= WIDTH)


def _depth(value: Any) -> int:
    if _is_scalar(value):
        return 0
    inside = value.values() if isinstance(value, Mapping) else value
    return 1 + max((_depth(item) for item in inside), default=0)


def _flow(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return _text(value, flow=True)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return _float(value)
    return str(int(value))


def _float(value: float) -> str:
    if math.isnan(value):
        msg = "NaN cannot be written into a pipeline"
        raise ValueError(msg)
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return repr(float(value))


def _key(key: object) -> str:
    if not isinstance(key, str):
        msg = f"keys must be strings (got {key!r})"
        raise TypeError(msg)
    return '"???"' if key == "???" else _text(key, flow=True)


def _text(text: str, *, flow: bool) -> str:
    """A text without quotes where it reads back as itself, else in double quotes."""
    if text == "???" or (_is_bare(text, flow=flow) and isinstance(_read(text), str)):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _TO_ESCAPE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def _is_bare(text: str, *, flow: bool) -> bool:
    if not (_BARE_FLOW if flow else _BARE_BLOCK).match(text) or not text.isprintable():
        return False
    if text.endswith((" ", ":")) or ": " in text:
        return False
    return not flow or text.count("(") <= text.count(")")


def _read(text: str) -> object:
    try:
        return read_scalar(text)
    except ValueError:
        return None


def _is_scalar(value: Any) -> bool:
    if value is None or isinstance(value, str | bool | int | float):
        return True
    if isinstance(value, Mapping | list | tuple):
        return False
    msg = f"a pipeline holds mappings, lists, texts, numbers, true, false and null (got {type(value).__name__})"
    raise TypeError(msg)
