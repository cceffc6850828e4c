"""Expressions: what is one, what is not and why, and that reading never runs anything."""

from __future__ import annotations

import random
import time

import pytest

from translate.pipeline.expressions import (
    Attribute,
    Call,
    Expression,
    ExpressionError,
    Literal,
    Name,
    Sequence,
    functions,
    names,
    parse_expression,
    to_text,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fake", Name("fake")),
        ("  fake ", Name("fake")),
        ("(fake)", Name("fake")),
        ("_temporary", Name("_temporary")),
        ("match", Name("match")),
        ("\u00e9t\u00e9", Name("\u00e9t\u00e9")),
        ("G(source)", Call("G", (Name("source"),))),
        ("G()", Call("G")),
        ("D(source, target)", Call("D", (Name("source"), Name("target")))),
        ("D(source,\n  target)", Call("D", (Name("source"), Name("target")))),
        ("D(a, domain=a)", Call("D", (Name("a"),), (("domain", Name("a")),))),
        ("pool(fake, size=50)", Call("pool", (Name("fake"),), (("size", Literal(50)),))),
        ("judged.validity", Attribute(Name("judged"), "validity")),
        ("D(x).a.b", Attribute(Attribute(Call("D", (Name("x"),)), "a"), "b")),
        ("1", Literal(1)),
        ("-1", Literal(-1)),
        ("-1.5e-3", Literal(-1.5e-3)),
        ("'a'", Literal("a")),
        ('"it\'s"', Literal("it's")),
        ("True", Literal(True)),
        ("None", Literal(None)),
        ("[a, 1]", Sequence((Name("a"), Literal(1)))),
        ("(a, b)", Sequence((Name("a"), Name("b")))),
        ("(a,)", Sequence((Name("a"),))),
        ("[]", Sequence(())),
        ("f([G(z).a])", Call("f", (Sequence((Attribute(Call("G", (Name("z"),)), "a"),)),))),
    ],
)
def test_parsed(text: str, expected: Expression) -> None:
    parsed = parse_expression(text)
    assert parsed == expected
    assert hash(parsed) == hash(expected)
    assert parse_expression(to_text(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 0, "is empty"),
        (" \n ", 0, "is empty"),
        ("a + b", 0, "arithmetic is not part of expressions; use an operation"),
        ("G(a * 2)", 2, "arithmetic"),
        ("-a", 0, "arithmetic"),
        ("+1", 0, "arithmetic"),
        ("--1", 0, "arithmetic"),
        ("-True", 0, "arithmetic"),
        ("-'a'", 0, "arithmetic"),
        ("not a", 0, "arithmetic"),
        ("f(a, b and c)", 5, "'and' and 'or'"),
        ("a < b", 0, "comparisons"),
        ("a if b else c", 0, "'if' is not part"),
        ("pair[0]", 0, "subscripts are not part of expressions; use an attribute"),
        ("G(*a)", 2, "starred"),
        ("G(**a)", 2, "starred"),
        ("[*a]", 1, "starred"),
        ("lambda: 1", 0, "'lambda' is a reserved word"),
        ("G(lambda)", 2, "'lambda' is a reserved word"),
        ("mix(a, from=b)", 7, "'from' is a reserved word"),
        ("class", 0, "'class' is a reserved word"),
        ("G(x, size=1, size=2)", 13, "given twice"),
        ("os.system('ls')", 0, "only networks and operations can be called"),
        ("G(a)(b)", 0, "only networks and operations can be called"),
        ("(lambda: 1)()", 0, "only networks and operations"),
        ("__import__('os')", 0, "two underscores"),
        ("G.__class__", 0, "do not start with an underscore"),
        ("G(x)._hidden", 0, "do not start with an underscore"),
        ("'a'.upper", 0, "have attributes"),
        ("[a].b", 0, "have attributes"),
        ("{a: 1}", 0, "dictionaries"),
        ("{a}", 0, "sets"),
        ("f'{a}'", 0, "formatted strings"),
        ("b'a'", 0, "got bytes"),
        ("1j", 0, "got complex"),
        ("...", 0, "got ..."),
        ("G(a for a in b)", 1, "GeneratorExp"),
        ("[a for a in b]", 0, "ListComp"),
        ("(a := 1)", 1, "assignments"),
        ("await a", 0, "Await is not part of expressions"),
        ("1e999", 0, "too large"),
        ("G(x, flag=true)", 10, "write True for true"),
        ("null", 0, "write None for null"),
        ("D(source", 1, "'(' is never closed"),
        ("D(source))", 9, "cannot be read"),
        ("a b", 2, "cannot be read"),
        ("fake = G(a)", 5, "cannot be read"),
        ("a; b", 1, "cannot be read"),
        ("G(a) # b", 5, "comments"),
        ("'\\x41'", 1, "cannot stand in an expression"),
        ("a\0b", 1, "cannot stand in an expression"),
        ("'a\u200b'", 2, "cannot stand in an expression"),
        ("\ufb01", 0, "other characters"),
        ("1if a else 2", 1, "reserved word"),
        ("'a\"' \"'\"", 0, "one kind of quotation mark"),
    ],
)
def test_refused(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert message in str(caught.value)
    assert caught.value.column == column
    assert isinstance(caught.value, ValueError)


def test_columns_count_characters_of_the_text() -> None:
    call = parse_expression("  f('\u00e9\u00e9', \n x, k=y)")
    assert isinstance(call, Call)
    assert [call.column, call.arguments[0].column, call.arguments[1].column] == [2, 4, 12]
    assert call.keywords[0][1].column == 17


def test_column_is_no_part_of_equality() -> None:
    assert parse_expression("f( a )") == parse_expression("f(a)")
    assert len({parse_expression("f( a )"), parse_expression("f(a)")}) == 1


def test_literals_of_different_types_differ() -> None:
    assert len({parse_expression(text) for text in ("1", "1.0", "True", "'1'")}) == 4
    assert parse_expression("f(x, flag=1)") != parse_expression("f(x, flag=True)")
    assert parse_expression("0.0") != parse_expression("-0.0")


def test_expressions_are_immutable() -> None:
    with pytest.raises(AttributeError):
        parse_expression("a").id = "b"  # type: ignore[union-attr, misc]


def test_names_and_functions() -> None:
    expression = parse_expression("D(shrink(image, growth), [pair.a, 'x'], domain=label).validity")
    assert names(expression) == {"image", "growth", "pair", "label"}
    assert functions(expression) == {"D", "shrink"}


def test_length_limit() -> None:
    parse_expression("a" * 2000)
    with pytest.raises(ExpressionError, match="2001 characters"):
        parse_expression("a" * 2001)


@pytest.mark.parametrize(
    ("deepest", "deeper"),
    [
        ("f(" * 31 + "a" + ")" * 31, "f(" * 32 + "a" + ")" * 32),
        ("[" * 31 + "a" + "]" * 31, "[" * 32 + "a" + "]" * 32),
        ("a" + ".b" * 31, "a" + ".b" * 32),
    ],
)
def test_depth_limit_is_exact(deepest: str, deeper: str) -> None:
    parse_expression(deepest)
    with pytest.raises(ExpressionError, match="nested more than 32 deep"):
        parse_expression(deeper)


@pytest.mark.parametrize(
    "piece", ["(", "[", "{", "-", "not ", "a.", "f(", "a+", "a,", "lambda:", "a[", "'", "~", "**", "a if "]
)
def test_hostile_repetition_ends_in_an_error_at_once(piece: str) -> None:
    started = time.perf_counter()
    text = piece * (2000 // len(piece))
    for tail in ("", "a"):
        try:
            parse_expression((text + tail)[:2000])
        except ExpressionError:
            pass
        else:
            assert piece in {"a,", "'"}  # a long tuple, and empty strings side by side
    assert time.perf_counter() - started < 1.0


def test_random_texts_raise_nothing_but_expression_errors() -> None:
    rng = random.Random(3)
    pieces = [
        "G", "(", ")", "source", ",", " ", ".", "a", "=", "1", "-", "'", '"', "[", "]", "*", "\n", "True", ":",
        "\u00e9", "lambda", "if", "1e", "0x", "f'", "{", "}", "#", "@", "\\", "\t", "_", "!", "\u2028", "b'",
    ]  # fmt: skip
    parsed, columns = 0, []
    for _ in range(3000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randint(1, 12)))
        try:
            expression = parse_expression(text)
        except ExpressionError as error:
            columns.append((error.column, len(text)))
        else:
            parsed += 1
            assert parse_expression(to_text(expression)) == expression
    assert parsed > 30
    assert all(0 <= column <= length for column, length in columns)
