"""From YAML text to a tree of nodes with positions: a strict composer over PyYAML's event stream.

PyYAML's own composer recurses without a limit, keeps the last of two equal keys and follows anchors into cycles, and
its C parser crashes on deep nesting. Here only its Python scanner and parser are used; every limit is checked event
by event, before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from translate.errors import ANYTHING, PipelineError, Position, Problem
from translate.pipeline.scalars import Scalar, read_scalar

Path_ = tuple[str | int, ...]

MAX_DEPTH: Final = 32
MAX_NODES: Final = 10_000
MAX_KEY: Final = 200
MAX_PROBLEMS: Final = 50

# What escapes (`"\0"`, `"\ud800"`) can smuggle past the check of the text itself.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A value with the place of its key (or list item) and its own place."""

    value: Scalar | dict[str, Node] | list[Node]
    at: Position
    key: Position


def path_text(path: Path_) -> str:
    """A path as users write it: `data.transforms.0`."""
    return ".".join(map(str, path))


def compose(text: str, where: Callable[[int, int], Position]) -> tuple[Node | None, str]:
    """Build the tree of the only YAML document in a text, and the text that follows its root value.

    Args:
        text: Checked text (no control characters).
        where: Makes a position from line and column, both counted from 1.

    Returns:
        The root (None for a text without a value), and what stands after it: blanks and comments.

    Raises:
        PipelineError: The text is not YAML, or breaks a rule; holds all problems up to the first that ends the reading.
    """
    composer = _Composer(text, where)
    root = composer.document()
    if composer.problems:
        raise PipelineError(composer.problems)
    return root, text[composer.end :]


class _Events(Reader, Scanner, Parser):
    """PyYAML's parser in Python, without its composer and constructor."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    # YAML 1.2 allows `{root: ???}`; PyYAML takes every question mark inside brackets for the start of a key.

    def _at_missing(self) -> bool:
        return bool(self.flow_level and self.prefix(3) == "???" and self.peek(3) in "\0 \r\n,]}")

    def check_key(self) -> bool:
        return not self._at_missing() and bool(super().check_key())

    def check_plain(self) -> bool:
        return self._at_missing() or bool(super().check_plain())

    def scan_plain(self) -> Any:
        if not self._at_missing():
            return super().scan_plain()
        start = self.get_mark()
        self.allow_simple_key = False
        self.forward(3)
        return yaml.ScalarToken("???", True, start, self.get_mark())


class _Composer:
    def __init__(self, text: str, where: Callable[[int, int], Position]) -> None:
        self.text = text
        self.where = where
        self.events = self._events()
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.open: dict[str, Position] = {}
        self.count = 0
        self.end = 0

    # -- problems ---------------------------------------------------------------------------------------------------

    def at(self, mark: Any) -> Position:
        return self.where(mark.line + 1, mark.column + 1)

    def problem(self, position: Position, message: str, path: Path_ = ()) -> None:
        """Record a problem and go on, unless there are very many."""
        self.problems.append(Problem(position, path_text(path), message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise PipelineError(self.problems)

    def stop(self, position: Position, message: str, path: Path_ = ()) -> NoReturn:
        """Record a problem after which nothing more can be read."""
        raise PipelineError([*self.problems, Problem(position, path_text(path), message)])

    # -- events -----------------------------------------------------------------------------------------------------

    def _events(self) -> Iterator[Any]:
        """PyYAML's events; whatever it raises (ValueError and others too, not only YAMLError) becomes a problem."""
        parser: Any = _Events(self.text)
        while True:
            try:
                if not parser.check_event():
                    return
                event = parser.get_event()
            except ANYTHING as exc:
                mark = getattr(exc, "problem_mark", None) or parser.get_mark()
                # PyYAML lets ValueError and OverflowError through for escapes and versions that are out of range.
                marked = isinstance(exc, yaml.MarkedYAMLError)
                said = _explain(exc) if marked else f"not valid YAML: something is out of range ({exc})"
                raise PipelineError([*self.problems, Problem(self.at(mark), "", said)]) from exc
            yield event

    def passed(self, event: Any) -> None:
        """Note how far the text has been read."""
        self.end = max(self.end, event.end_mark.index)

    def document(self) -> Node | None:
        """The root of the only document."""
        root: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                position = self.at(event.start_mark)
                if documents > 1:
                    self.stop(position, "a second YAML document starts here; a pipeline is one document")
                if event.version or event.tags:
                    self.problem(position, "directives (`%YAML`, `%TAG`) are not allowed; remove the line")
            elif isinstance(event, yaml.NodeEvent):
                root = self.node(event, (), 1, flow=False)
                if root.value is None and isinstance(event, yaml.ScalarEvent) and not event.value:
                    root = None
        return root

    # -- nodes ------------------------------------------------------------------------------------------------------

    def node(self, event: Any, path: Path_, depth: int, *, flow: bool) -> Node:
        """The node that starts with an event."""
        at = self.at(event.start_mark)
        self.counted(1, at, path)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, path, depth)
        if event.tag is not None:
            self.problem(at, f"tags are not allowed (found {_short(event.tag)}); remove it", path)
        anchor = event.anchor
        if anchor is not None:
            if anchor in self.anchors or anchor in self.open:
                first = self.anchors[anchor].at if anchor in self.anchors else self.open[anchor]
                self.stop(at, f"the anchor '&{anchor}' is defined twice, first at {first}; rename one", path)
            self.open[anchor] = at
        if isinstance(event, yaml.ScalarEvent):
            # A quoted text stands behind its quotation mark: columns within an expression count from there.
            inside = replace(at, column=at.column + 1) if event.style in {"'", '"'} and at.line else at
            node = Node(self.scalar(event, at, path, flow=flow), inside, at)
            self.passed(event)
        elif depth > MAX_DEPTH:
            self.stop(at, f"nested more than {MAX_DEPTH} deep", path)
        elif isinstance(event, yaml.MappingStartEvent):
            node = Node(self.mapping(path, depth, flow=bool(event.flow_style)), at, at)
        else:
            node = Node(self.sequence(path, depth, flow=bool(event.flow_style)), at, at)
        if anchor is not None:
            del self.open[anchor]
            self.anchors[anchor] = node
        return node

    def counted(self, nodes: int, at: Position, path: Path_) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            self.stop(at, f"more than {MAX_NODES} values (those of aliases counted)", path)

    def alias(self, event: Any, path: Path_, depth: int) -> Node:
        at = self.at(event.start_mark)
        self.passed(event)
        if event.anchor in self.open:
            self.stop(at, f"'*{event.anchor}' stands inside its own anchor ({self.open[event.anchor]}): a cycle", path)
        if event.anchor not in self.anchors:
            message = f"'*{event.anchor}' names no anchor; to write a text that starts with '*', put it in quotes"
            self.stop(at, message, path)
        node = self.anchors[event.anchor]
        nodes, height = _extent(node)
        self.counted(nodes - 1, at, path)
        if depth + height - 1 > MAX_DEPTH:
            self.stop(at, f"nested more than {MAX_DEPTH} deep, through an alias", path)
        return replace(node, at=at, key=at)

    def scalar(self, event: Any, at: Position, path: Path_, *, flow: bool) -> Scalar:
        text: str = event.value
        if found := _CONTROL.search(text):
            self.problem(at, f"the character {found.group()!r} is not allowed, also not as an escape", path)
        if event.style is not None:
            return text
        if flow and text.count("(") > text.count(")"):
            message = f"{_short(text)!r} has an open '(': inside {{ }} or [ ] a comma ends the value. Put it in quotes"
            self.problem(at, message, path)
        try:
            return read_scalar(text)
        except ValueError as exc:
            self.problem(at, str(exc), path)
            return None

    def sequence(self, path: Path_, depth: int, *, flow: bool) -> list[Node]:
        items: list[Node] = []
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                self.passed(event)
                break
            items.append(self.node(event, (*path, len(items)), depth + 1, flow=flow))
        return items

    def mapping(self, path: Path_, depth: int, *, flow: bool) -> dict[str, Node]:
        items: dict[str, Node] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                self.passed(event)
                break
            at = self.at(event.start_mark)
            key = self.key(event, at, path, depth, items, flow=flow)
            inside = path if key is None else (*path, key)
            value = self.node(next(self.events), inside, depth + 1, flow=flow)
            if key is not None and key not in items:
                items[key] = replace(value, key=at)
        return items

    def key(
        self, event: Any, at: Position, path: Path_, depth: int, items: dict[str, Node], *, flow: bool
    ) -> str | None:
        """The key, or None with a problem recorded."""
        key = self.node(event, path, depth + 1, flow=flow).value
        if isinstance(event, yaml.ScalarEvent) and event.style is None and event.value == "<<":
            self.problem(at, "merge keys (`<<`) are not supported; use `extends`, or an alias as a value", path)
            return None
        if not isinstance(key, str):
            found = "a collection" if isinstance(key, dict | list) else f"{getattr(event, 'value', key)!r}"
            self.problem(at, f"a key must be a text (found {found}); put it in quotes", path)
            return None
        if len(key) > MAX_KEY:
            self.problem(at, f"the key {_short(key)!r} is longer than {MAX_KEY} characters", path)
            return None
        if key in items:
            message = f"the key '{key}' is given twice: at {items[key].key} and at {at}; remove one"
            self.problem(at, message, (*path, key))
        return key


def _extent(node: Node) -> tuple[int, int]:
    """Number of nodes (keys counted, as in the text) and number of nested collections."""
    if not isinstance(node.value, dict | list):
        return 1, 0
    inside = list(node.value.values()) if isinstance(node.value, dict) else node.value
    extents = [_extent(child) for child in inside]
    keys = len(inside) if isinstance(node.value, dict) else 0
    return 1 + keys + sum(count for count, _ in extents), 1 + max((height for _, height in extents), default=0)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


_HINTS: Final[tuple[tuple[str, str], ...]] = (
    ("'<document start>'", "text stands outside the document; remove lines that start with `%` or `...`"),
    ("'\\t' that cannot start", "a tab; YAML is indented with spaces only"),
    ("mapping values are not allowed", "`: ` stands where no key can be; put texts that contain it in quotes"),
    ("could not find expected ':'", "a key without `:`, or a text that is not indented"),
    ("cannot start any token", "this character cannot start a value; put the text in quotes"),
    ("end of stream", "the text ends inside quotes; close them"),
    ("<stream end>", "the text ends inside brackets; close them"),
    ("expected <block end>", "the indentation does not fit the lines above, or text follows a closed quote"),
    ("expected ',' or", "a comma or a closing bracket is missing"),
)


def _explain(exc: Any) -> str:
    """PyYAML's message with what it most often means."""
    said = " ".join(filter(None, (exc.context, exc.problem)))
    hint = next((hint for sign, hint in _HINTS if sign in said), None)
    return f"not valid YAML: {hint} ({said})" if hint else f"not valid YAML: {said}"
