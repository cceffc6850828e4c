"""Pipeline files as data with positions: strict YAML, read without running anything.

Rules: UTF-8, with or without a byte order mark at the very start; at most 1 MiB, 20,000 lines, 32 levels and 10,000
values with those of aliases; one document; the top level is a mapping; keys are strings and occur once; no tags,
directives, merge keys, control characters, tabs in the indentation; scalars as in YAML 1.2
(see `translate.pipeline.scalars`).
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from translate.errors import PipelineError, Position, Problem
from translate.pipeline.composing import Node, Path_, compose
from translate.pipeline.scalars import Scalar

MAX_BYTES: Final = 2**20
MAX_LINES: Final = 20_000

# Also the line ends of YAML 1.1 that editors do not count, and byte order marks after the first character.
_FORBIDDEN = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile(r"\r\n|\r|\n")
_TAB_INDENT = re.compile(r"(?:^|(?<=[\r\n]))( *)\t[ \t]*[^ \t\r\n#]")


@dataclass(frozen=True)
class Document:
    """A pipeline as read, with the place of every key and value.

    Attributes:
        data: The content: mappings, lists and scalars.
        positions: By path, the place of the key (for list items, of the item) and the place of the value.
        name: The file's name as shown in messages.
    """

    data: dict[str, Any]
    positions: Mapping[Path_, tuple[Position, Position]]
    name: str

    def position(self, path: Path_, *, of: Literal["key", "value"] = "value") -> Position:
        """Where a key or value stands; for a path that does not exist, where its nearest parent stands."""
        for length in range(len(path), -1, -1):
            if (found := self.positions.get(tuple(path[:length]))) is not None:
                return found[0] if of == "key" else found[1]
        return Position(self.name)

    def tree(self) -> Node:
        """The content as nodes that carry their positions."""
        return self._node(self.data, ())

    def _node(self, value: Any, path: Path_) -> Node:
        inside: Scalar | dict[str, Node] | list[Node] = value
        if isinstance(value, Mapping):
            inside = {key: self._node(item, (*path, key)) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            inside = [self._node(item, (*path, index)) for index, item in enumerate(value)]
        return Node(inside, self.position(path), self.position(path, of="key"))

    @classmethod
    def from_tree(cls, root: Node, name: str) -> Document:
        """The document of a tree whose root is a mapping; nothing is shared with the tree."""
        positions: dict[Path_, tuple[Position, Position]] = {}
        data = _plain(root, (), positions)
        return cls(data, positions, name)


def _plain(node: Node, path: Path_, positions: dict[Path_, tuple[Position, Position]]) -> Any:
    positions[path] = (node.key, node.at)
    if isinstance(node.value, dict):
        return {key: _plain(child, (*path, key), positions) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child, (*path, index), positions) for index, child in enumerate(node.value)]
    return node.value


def parse_document(text: str | bytes, *, name: str) -> Document:
    """Read a pipeline from text.

    >>> parse_document("training: {steps: 1e3}", name="small.yaml").position(("training", "steps"))
    Position(file='small.yaml', line=1, column=19)

    Args:
        text: The YAML text; bytes must be UTF-8.
        name: Shown in positions and messages.

    Raises:
        PipelineError: For every text that is not a pipeline's YAML; no other exception leaves this function.
    """
    checked = _checked(text, name)
    root, _ = compose(checked, partial(Position, name))
    if root is None or not isinstance(root.value, dict):
        found = "an empty file" if root is None else "a list" if isinstance(root.value, list) else "a single value"
        message = f"a pipeline is a mapping of sections (`data:`, `networks:`, `losses:`, ...); found {found}"
        raise _error(root.at if root else Position(name, 1, 1), message)
    return Document.from_tree(root, name)


def read_document(path: Path) -> Document:
    """Read a pipeline file.

    Raises:
        PipelineError: The file cannot be read or is not a pipeline's YAML.
    """
    name = str(path)
    try:
        # Pipes and devices never end or have no size: refused before they are opened.
        if not stat.S_ISREG(path.stat().st_mode):
            raise _error(Position(name), "is not a file" + (" but a folder" if path.is_dir() else ""))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as exc:
        raise _error(Position(name), "there is no such file") from exc
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise _error(Position(name), f"cannot be read: {reason}") from exc
    return parse_document(content, name=name)


def check_characters(text: str, name: str) -> None:
    """Refuse characters that editors do not show or that YAML does not allow.

    Raises:
        PipelineError: Names the first one.
    """
    if found := _FORBIDDEN.search(text):
        message = f"the character {found.group()!r} is not allowed; inside double quotes it can be written as an escape"
        if found.group() == "\0":
            message = "a NUL character; is this a text file in UTF-8?"
        raise _error(_position(text, found.start(), name), message)


def _checked(text: str | bytes, name: str) -> str:
    size = len(text) if isinstance(text, bytes) else len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise _error(Position(name, 1, 1), f"larger than {MAX_BYTES} bytes (1 MiB); a pipeline is a few kilobytes")
    if isinstance(text, bytes):
        try:
            text = str(text, encoding="utf-8")
        except UnicodeDecodeError as exc:
            before = exc.object[: exc.start].decode()
            message = f"not UTF-8: byte 0x{exc.object[exc.start]:02x}; save the file in UTF-8"
            raise _error(_position(before, len(before), name), message) from exc
    text = text.removeprefix("\ufeff")
    if len(_LINE_END.findall(text)) > MAX_LINES:
        raise _error(Position(name, MAX_LINES, 1), f"longer than {MAX_LINES} lines; a pipeline is some dozens")
    check_characters(text, name)
    if found := _TAB_INDENT.search(text):
        position = _position(text, found.end(1), name)
        raise _error(position, "a tab in the indentation; YAML is indented with spaces only")
    return text


def _position(text: str, index: int, name: str) -> Position:
    """Line and column, from 1, of a character."""
    ends = [match.end() for match in _LINE_END.finditer(text, 0, index)]
    return Position(name, len(ends) + 1, index - (ends[-1] if ends else 0) + 1)


def _error(position: Position, message: str) -> PipelineError:
    return PipelineError([Problem(position, "", message)])
