"""Expressions: names, attributes, calls and literals, as in `D(source, pool(fake, size=50)).validity`.

They are parsed with Python's `ast` and an allow-list of nodes, and never evaluated by Python. Columns count
characters from 0, so that a caller can add them to the column at which the text starts.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

MAX_LENGTH: Final = 2000
MAX_DEPTH: Final = 32

_STRINGS = re.compile(r"'[^']*'|\"[^\"]*\"")
_WORD = re.compile(r"[^\W\d]\w*")
_CONSTANTS = {"true": "True", "false": "False", "null": "None"}
_SHAPE = "an expression is a name, a call such as `G(source)`, an attribute such as `judged.validity`, or a literal"


class ExpressionError(ValueError):
    """A text is not an expression.

    Attributes:
        column: Where in the text, in characters from 0.
    """

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Name:
    """A named value: a field, a latent, a schedule or an entry of the flow."""

    id: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant. Two literals are equal when type and value are: 1, 1.0 and True are three different choices."""

    value: str | int | float | bool | None
    column: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[type, str]:
        return type(self.value), repr(self.value)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list or tuple of expressions."""

    items: tuple[Expression, ...]
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named part of a value: `judged.validity`."""

    of: Expression
    name: str
    column: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A network or an operation applied to expressions."""

    function: str
    arguments: tuple[Expression, ...] = ()
    keywords: tuple[tuple[str, Expression], ...] = ()
    column: int = field(default=0, compare=False)


Expression: TypeAlias = Name | Literal | Sequence | Attribute | Call


def parse_expression(text: str) -> Expression:
    """Parse an expression.

    >>> parse_expression("D(a, domain=a)")
    Call(function='D', arguments=(Name(id='a', column=2),), keywords=(('domain', Name(id='a', column=12)),), column=0)

    Raises:
        ExpressionError: The text is too long, too deep, or holds anything but names, attributes, calls and literals.
    """
    _check_text(text)
    # Line breaks of a YAML block count as spaces; replacing them one by one keeps the columns.
    line = re.sub(r"[\t\r\n]", " ", text)
    indent = len(line) - len(line.lstrip(" "))
    source = line[indent:]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = ast.parse(source, mode="eval")
    except SyntaxError as exc:
        raise _syntax_error(text, exc, indent) from exc
    except (ValueError, RecursionError, MemoryError, Warning) as exc:
        msg = f"cannot be read; {_SHAPE}"
        raise ExpressionError(msg) from exc
    return _Converter(source, indent).convert(tree.body, 1)


def names(expression: Expression) -> set[str]:
    """Names of the values an expression reads (not of what it calls)."""
    return {node.id for node in walk(expression) if isinstance(node, Name)}


def functions(expression: Expression) -> set[str]:
    """Names of the networks and operations an expression calls."""
    return {node.function for node in walk(expression) if isinstance(node, Call)}


def children(expression: Expression) -> tuple[Expression, ...]:
    """The expressions directly inside an expression, in the order of the text."""
    match expression:
        case Sequence():
            return expression.items
        case Attribute():
            return (expression.of,)
        case Call():
            return (*expression.arguments, *(value for _, value in expression.keywords))
        case _:
            return ()


def walk(expression: Expression) -> Iterator[Expression]:
    """The expression and everything inside it, outermost first."""
    yield expression
    for child in children(expression):
        yield from walk(child)


def to_text(expression: Expression) -> str:
    """Write an expression so that `parse_expression` reads an equal one."""
    match expression:
        case Name():
            return expression.id
        case Literal():
            return repr(expression.value)
        case Sequence():
            return f"[{', '.join(map(to_text, expression.items))}]"
        case Attribute():
            return f"{to_text(expression.of)}.{expression.name}"
        case Call():
            keywords = (f"{name}={to_text(value)}" for name, value in expression.keywords)
            return f"{expression.function}({', '.join([*map(to_text, expression.arguments), *keywords])})"


def _check_text(text: str) -> None:
    """Refuse what Python's parser would be slow at, warn about or crash on."""
    if not text.strip(" \t\r\n"):
        msg = f"is empty; {_SHAPE}"
        raise ExpressionError(msg)
    if len(text) > MAX_LENGTH:
        msg = f"is {len(text)} characters long; at most {MAX_LENGTH} are allowed. Name parts of it in `flow`"
        raise ExpressionError(msg, MAX_LENGTH)
    for column, character in enumerate(text):
        if character == "\\" or not (character.isprintable() or character in "\t\r\n"):
            msg = f"the character {character!r} cannot stand in an expression"
            raise ExpressionError(msg, column)
    if "#" in _blank_strings(text):
        msg = "'#' cannot stand in an expression; write comments in the YAML file, after the value"
        raise ExpressionError(msg, _blank_strings(text).index("#"))
    depth = 0
    for column, character in enumerate(_blank_strings(text)):
        depth += (character in "([{") - (character in ")]}")
        if depth > MAX_DEPTH:
            raise _too_deep(column)


def _too_deep(column: int) -> ExpressionError:
    msg = f"is nested more than {MAX_DEPTH} deep. Name parts of it in `flow`"
    return ExpressionError(msg, column)


def _blank_strings(text: str) -> str:
    """The text with the insides of its string literals replaced by spaces, columns unchanged."""
    return _STRINGS.sub(lambda match: " " * len(match.group()), text)


def _syntax_error(text: str, exc: SyntaxError, indent: int) -> ExpressionError:
    bare = _blank_strings(text)
    for word in _WORD.finditer(bare):
        if keyword.iskeyword(word.group()) and word.group() not in {"None", "True", "False"}:
            msg = f"'{word.group()}' is a reserved word of Python and cannot be a name in an expression; use another"
            return ExpressionError(msg, word.start())
    if bare.count("(") > bare.count(")"):
        msg = "'(' is never closed; inside { } or [ ] an expression with a comma must stand in quotes"
        return ExpressionError(msg, bare.index("("))
    if "repeated" in str(exc.msg):
        msg = f"a keyword argument is given twice ({exc.msg})"
        return ExpressionError(msg, max(0, (exc.offset or 1) - 1) + indent)
    msg = f"cannot be read ({exc.msg}); {_SHAPE}"
    # SyntaxError counts characters from 1; 0 means unknown.
    return ExpressionError(msg, min(max(0, (exc.offset or 1) - 1) + indent, len(text)))


_REFUSED: Final[dict[type[ast.AST], str]] = {
    ast.BinOp: "arithmetic is not part of expressions; use an operation",
    ast.UnaryOp: "arithmetic is not part of expressions; use an operation (a minus may stand before a number)",
    ast.BoolOp: "'and' and 'or' are not part of expressions; use an operation",
    ast.Compare: "comparisons are not part of expressions; use an operation",
    ast.IfExp: "'if' is not part of expressions; use a phase or a schedule",
    ast.Subscript: "subscripts are not part of expressions; use an attribute, as `pair.a`, or an operation",
    ast.Starred: "starred arguments are not part of expressions; write the arguments one by one",
    ast.Lambda: "'lambda' is a reserved word of Python and cannot be part of an expression; use an operation",
    ast.Dict: "dictionaries are not part of expressions; use keyword arguments",
    ast.Set: "sets are not part of expressions; write a list, as `[a, b]`",
    ast.JoinedStr: "formatted strings are not part of expressions; write a plain string",
    ast.NamedExpr: "assignments are not part of expressions; name the value in `flow`",
}


class _Converter:
    """Turns Python's tree into ours; anything that is not on the list is an error at its column."""

    def __init__(self, source: str, indent: int) -> None:
        self.source = source.encode()
        self.text = source
        self.indent = indent

    def column(self, node: ast.expr | ast.keyword) -> int:
        """Column in characters of the original text (`ast` counts UTF-8 bytes)."""
        return len(self.source[: node.col_offset].decode(errors="ignore")) + self.indent

    def convert(self, node: ast.expr, depth: int) -> Expression:
        """Convert one node and what is inside it."""
        column = self.column(node)
        if depth > MAX_DEPTH:
            raise _too_deep(column)
        match node:
            case ast.Name():
                return Name(self.name(node.id, column), column)
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return Literal(self.constant(node), column)
            case ast.List() | ast.Tuple():
                return Sequence(tuple(self.convert(item, depth + 1) for item in node.elts), column)
            case ast.Attribute():
                return self.attribute(node, depth)
            case ast.Call():
                return self.call(node, depth)
        msg = _REFUSED.get(type(node), f"{type(node).__name__} is not part of expressions; {_SHAPE}")
        raise ExpressionError(msg, column)

    def name(self, name: str, column: int) -> str:
        """A name as it was written."""
        if name in _CONSTANTS:
            msg = f"inside an expression, write {_CONSTANTS[name]} for {name}"
            raise ExpressionError(msg, column)
        if name.startswith("__"):
            msg = f"'{name}': names do not start with two underscores"
            raise ExpressionError(msg, column)
        if name not in self.text:  # Python normalises names (NFKC); the pipeline's keys are not normalised.
            msg = f"the name read as '{name}' is written with other characters; use plain letters"
            raise ExpressionError(msg, column)
        return name

    def constant(self, node: ast.Constant | ast.UnaryOp) -> str | int | float | bool | None:
        """A string, number, truth value or None; a minus only before a number."""
        column = self.column(node)
        negative = isinstance(node, ast.UnaryOp)
        value = node.operand.value if isinstance(node, ast.UnaryOp) else node.value  # type: ignore[attr-defined]
        if negative and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ExpressionError(_REFUSED[ast.UnaryOp], column)
        if isinstance(value, float) and not math.isfinite(value):
            msg = "the number is too large"
            raise ExpressionError(msg, column)
        if isinstance(value, str) and "'" in value and '"' in value:
            msg = "a string holds one kind of quotation mark at most"
            raise ExpressionError(msg, column)
        if value is None or isinstance(value, str | bool):
            return value
        if isinstance(value, int | float):
            return -value if negative else value
        kind = "..." if value is ... else type(value).__name__
        msg = f"a literal is a string, a number, True, False or None (got {kind})"
        raise ExpressionError(msg, column)

    def attribute(self, node: ast.Attribute, depth: int) -> Attribute:
        """`x.name`, of a name, a call or another attribute."""
        column = self.column(node)
        if node.attr.startswith("_"):
            msg = f"'.{node.attr}': attributes do not start with an underscore"
            raise ExpressionError(msg, column)
        of = self.convert(node.value, depth + 1)
        if isinstance(of, Literal | Sequence):
            msg = f"'.{node.attr}': only named values and results of calls have attributes"
            raise ExpressionError(msg, column)
        return Attribute(of, self.name(node.attr, column), column)

    def call(self, node: ast.Call, depth: int) -> Call:
        """`function(a, b, key=c)`."""
        column = self.column(node)
        if not isinstance(node.func, ast.Name):
            msg = "only networks and operations can be called, by their plain names, as `G(source)`"
            raise ExpressionError(msg, column)
        keywords: dict[str, Expression] = {}
        for item in node.keywords:
            if item.arg is None:
                raise ExpressionError(_REFUSED[ast.Starred], self.column(item))
            if item.arg in keywords:
                msg = f"the argument '{item.arg}' is given twice"
                raise ExpressionError(msg, self.column(item))
            keywords[self.name(item.arg, self.column(item))] = self.convert(item.value, depth + 1)
        arguments = tuple(self.convert(argument, depth + 1) for argument in node.args)
        return Call(self.name(node.func.id, column), arguments, tuple(keywords.items()), column)
