"""The expressions of one phase as a graph of nodes, in which equal parts are one node.

Two calls are the same node when the same network, or the same pure operation, is called with the same arguments.
Operations with memory or randomness (module classes) belong to their call site and are never merged.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from translate.components import Catalogue, Entry
from translate.errors import PipelineError, Problem, did_you_mean
from translate.pipeline import expressions as ex
from translate.pipeline.settings import Path_, Pipeline

NodeKind = Literal["input", "schedule", "literal", "sequence", "attribute", "network", "operation"]


@dataclass(slots=True, eq=False)
class Node:
    """One value of a draw.

    Attributes:
        index: Place in the graph; inputs come before.
        kind: What computes it.
        name: Field, latent, schedule, attribute, network or operation.
        inputs: Positional arguments.
        keywords: Keyword arguments (of networks).
        networks: Every network in its history.
        path: Where it was written first.
        column: Column of it there.
        text: As an expression.
        value: Of a literal.
        operation: Of an operation: entry and choices.
        key: Of an operation with state: its place, stable across runs.
    """

    index: int
    kind: NodeKind
    name: str
    inputs: tuple[int, ...]
    keywords: tuple[tuple[str, int], ...]
    networks: frozenset[str]
    path: Path_
    column: int
    text: str
    value: Any = None
    operation: tuple[Entry, Mapping[str, Any]] | None = None
    key: str = ""

    def is_marked(self, mark: str) -> bool:
        """Whether it is an operation with this mark: see the table in `translate.signatures`."""
        return self.operation is not None and bool(getattr(self.operation[0].factory, mark, False))

    @property
    def is_part_of_model(self) -> bool:
        """Whether it is an operation whose state counts outside training too."""
        return self.is_marked("part_of_model")


@dataclass
class Graph:
    """All nodes of one phase.

    Args:
        pipeline: Gives networks, latents and schedules.
        phase: Index of the phase whose flow names mean.
        catalogue: Where operations are looked up.
    """

    pipeline: Pipeline
    phase: int
    catalogue: Catalogue
    nodes: list[Node] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _known: dict[Any, int] = field(default_factory=dict)
    _flow: dict[str, int] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _sites: dict[str, int] = field(default_factory=dict)
    _added: dict[tuple[Path_, ex.Expression], int] = field(default_factory=dict)

    def add_at(self, path: Path_, expression: ex.Expression) -> int:
        """Add what stands at a path of the pipeline; adding it again gives the same node, also with memory in it."""
        if path[0] == "flow":
            return self._name(ex.Name(str(path[1])), path)
        if (path, expression) not in self._added:
            self._added[path, expression] = self.add(expression, path)
        return self._added[path, expression]

    def add(self, expression: ex.Expression, path: Path_) -> int:
        """Add an expression and return the index of its node.

        Raises:
            PipelineError: A flow entry depends on itself.
        """
        if isinstance(expression, ex.Name):
            return self._name(expression, path)
        if isinstance(expression, ex.Literal):
            return self._node("literal", repr(expression.value), path, expression, value=expression.value)
        if isinstance(expression, ex.Sequence):
            inputs = tuple(self.add(item, path) for item in expression.items)
            return self._node("sequence", "", path, expression, inputs)
        if isinstance(expression, ex.Attribute):
            return self._node("attribute", expression.name, path, expression, (self.add(expression.of, path),))
        return self._call(expression, path)

    def written(self, index: int) -> str:
        """A value as an expression would have it: by its name in the flow, where it has one."""
        return next((name for name, node in self._flow.items() if node == index), self.nodes[index].text)

    def _name(self, expression: ex.Name, path: Path_) -> int:
        name = expression.id
        flow = self.pipeline.phases[self.phase].flow
        if name in self._flow:
            return self._flow[name]
        if name in flow:
            if name in self._open:
                circle = " -> ".join([*self._open[self._open.index(name) :], name])
                text = f"this value depends on itself: {circle}"
                raise PipelineError([self.pipeline.problem(("flow", name), text, of="key", phase=self.phase)])
            self._open.append(name)
            self._flow[name] = self.add(flow[name], ("flow", name))
            self._open.pop()
            return self._flow[name]
        kind: NodeKind = "schedule" if name in self.pipeline.schedules else "input"
        return self._node(kind, name, path, expression)

    def _call(self, call: ex.Call, path: Path_) -> int:
        inputs = tuple(self.add(item, path) for item in call.arguments)
        if call.function in self.pipeline.networks:
            keywords = tuple((key, self.add(item, path)) for key, item in call.keywords)
            return self._node("network", call.function, path, call, inputs, keywords)
        try:
            entry = self.catalogue.find("operation", call.function)
        except LookupError:
            known = [*self.pipeline.networks, *self.catalogue.names("operation")]
            text = f"no network or operation is named '{call.function}'.{did_you_mean(call.function, known)}"
            self._problem(path, f"{text} Known: {', '.join(known)}.", call)
            return self._node("literal", "?", path, call, value=None)
        choices = self._choices(entry, call, path)
        self._check_count(entry, call, path)
        return self._node("operation", call.function, path, call, inputs, operation=(entry, choices))

    def _choices(self, entry: Entry, call: ex.Call, path: Path_) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for key, item in call.keywords:
            try:
                given[key] = literal_value(item)
            except ValueError:
                text = f"{call.function}({key}=...) must be a literal; values are passed by position"
                self._problem(path, text, call)
        clean, problems = entry.schema.validate(given)
        for where, message in problems:
            text = f"{call.function}({'.'.join(map(str, where))}): {message}"
            self._problem(path, text, call)
        return clean

    def _problem(self, path: Path_, text: str, at: ex.Expression) -> None:
        self.problems.append(self.pipeline.problem(path, text, column=at.column, phase=self.phase))

    def _check_count(self, entry: Entry, call: ex.Call, path: Path_) -> None:
        provided = entry.schema.provided
        least = sum(not name.startswith("*") for name in provided)
        most = None if any(name.startswith("*") for name in provided) else least
        count = len(call.arguments)
        if count < least or (most is not None and count > most):
            text = f"{call.function} takes {', '.join(provided) or 'no value'} by position (got {count})"
            self._problem(path, text, call)

    def _node(
        self,
        kind: NodeKind,
        name: str,
        path: Path_,
        expression: ex.Expression,
        inputs: tuple[int, ...] = (),
        keywords: tuple[tuple[str, int], ...] = (),
        *,
        value: Any = None,
        operation: tuple[Entry, Mapping[str, Any]] | None = None,
    ) -> int:
        site = ""
        if operation is not None and inspect.isclass(operation[0].factory):
            place = ".".join(map(str, path))
            self._sites[place] = self._sites.get(place, 0) + 1
            # With its choices: where a phase changes them, it is another operation.
            given = ", ".join(f"{key}={item!r}" for key, item in sorted(operation[1].items()))
            site = f"{place}#{self._sites[place]}:{name}" + (f"({given})" if given else "")
        choices = repr(sorted(operation[1].items())) if operation else repr((type(value), value))
        identity = (kind, name, inputs, keywords, choices, site)
        if identity in self._known:
            return self._known[identity]
        history = frozenset().union(*(self.nodes[i].networks for i in (*inputs, *(i for _, i in keywords))))
        if kind == "network":
            history |= {name}
        index = len(self.nodes)
        text = ex.to_text(expression)
        node = Node(index, kind, name, inputs, keywords, history, path, expression.column, text, value, operation, site)
        self.nodes.append(node)
        self._known[identity] = index
        return index


def literal_value(expression: ex.Expression) -> Any:
    """The value of a literal or a list of literals.

    Raises:
        ValueError: It is something else.
    """
    if isinstance(expression, ex.Literal):
        return expression.value
    if isinstance(expression, ex.Sequence):
        return [literal_value(item) for item in expression.items]
    msg = "not a literal"
    raise ValueError(msg)
