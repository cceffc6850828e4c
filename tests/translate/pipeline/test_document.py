"""Strict YAML: what is read, what is refused, where the problem is shown, and that nothing else ever escapes."""

from __future__ import annotations

import math
import os
import random
import time

import pytest
from support_mutants import mutant

from translate.errors import PipelineError, Position
from translate.pipeline.document import MAX_BYTES, Document, parse_document, read_document

PIPELINE = """\
description: Paired translation (Isola et al. 2017, arXiv 1611.07004).
data:
  dataset: paired_folders          # or side_by_side
  root: ???
  image_size: 256
  transforms: [{Resize: 286}, {RandomCrop: 256}, HorizontalFlip]
networks:
  G: {generator: unet, makes: target}
  D: {discriminator: patchgan}
flow:
  fake: G(source)
losses:
  adversarial:    {loss: bce, real: "D(source, target)", fake: "D(source, fake)"}
  reconstruction: {loss: l1, of: fake, to: target, weight: 100}
training:
  steps: 80000
  batch_size: 1
  optimizers:
    generators:     &adam {name: adam, lr: 2.0e-4, betas: [0.5, 0.999]}
    discriminators: *adam
preview: [source, fake, target]
export:
  translate: {inputs: [source], output: fake}
inference: {batch_norm: image, dropout: on}
"""


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        parse_document(text, name="p.yaml")
    return [str(problem) for problem in caught.value.problems]


def value_of(text: str) -> object:
    return parse_document(f"a: {text}", name="p.yaml").data["a"]


def test_a_whole_pipeline() -> None:
    data = parse_document(PIPELINE, name="p.yaml").data
    assert list(data)[:3] == ["description", "data", "networks"]
    assert data["data"]["transforms"] == [{"Resize": 286}, {"RandomCrop": 256}, "HorizontalFlip"]
    assert data["losses"]["adversarial"]["real"] == "D(source, target)"
    assert data["training"]["optimizers"]["discriminators"] == {"name": "adam", "lr": 2e-4, "betas": [0.5, 0.999]}
    assert data["inference"]["dropout"] == "on"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("2.0e-4", 2e-4), (".5", 0.5), ("-.5", -0.5), ("5.", 5.0), ("1.e2", 100.0), ("+1", 1),
        ("-3", -3), ("012", 12), ("0x1F", 31), ("0o17", 15),
        ("1_000", "1_000"), ("1:30", "1:30"), ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"), ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("null", None), ("~", None), ("", None), ("true", True), ("false", False), ("True", True), ("tRue", "tRue"),
        ("'true'", "true"), ('"12"', "12"), ("'1e-4'", "1e-4"), ("1e", "1e"), (".", "."), ("1.2.3", "1.2.3"),
        (".inf", math.inf), ("-.inf", -math.inf), ("=", "="), ("0b1", "0b1"), ("18446744073709551615", 2**64 - 1),
        ("G(source)", "G(source)"), ("D(source, fake)", "D(source, fake)"), ("x # comment", "x"), ("a#b", "a#b"),
        ("one\n  two", "one two"), ("|\n  one\n  two\n", "one\ntwo\n"), (">-\n  one\n  two\n", "one two"),
        ("{b: ???, c: 1}", {"b": "???", "c": 1}), ("[???, ???]", ["???", "???"]), ("???", "???"), ("[]", []),
    ],
)  # fmt: skip
def test_scalars_of_yaml_1_2(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "an empty file"),
        ("# only a comment\n", "1:1", "an empty file"),
        ("- a", "1:1", "found a list"),
        ("just text", "1:1", "found a single value"),
        ("a: 1\nb: 2\na: 3", "3:1", "given twice: at p.yaml:1:1 and at p.yaml:3:1"),
        ("a: {b: 1, b: 2}", "1:11", "a.b: the key 'b' is given twice"),
        ("1: a", "1:1", "a key must be a text (found '1')"),
        ("true: a", "1:1", "a key must be a text"),
        ("~: a", "1:1", "a key must be a text"),
        ("? [a]\n: b", "1:3", "a key must be a text (found a collection)"),
        ("<<: {a: 1}", "1:1", "merge keys"),
        ("a: !!python/object/apply:os.system ['true']", "1:4", "tags are not allowed"),
        ("a: !!str 12", "1:4", "tags are not allowed"),
        ("a: !mine 12", "1:4", "tags are not allowed"),
        ("a: ! 12", "1:4", "tags are not allowed"),
        ("%YAML 1.1\n---\na: no", "1:1", "directives"),
        ("%TAG ! tag:x,2000:\n---\na: !b 1", "1:1", "directives"),
        ("a: 1\n---\nb: 2", "2:1", "a second YAML document"),
        ("a: 1\n...\nb: 2", "3:1", "outside the document"),
        ("a: &x [*x]", "1:8", "a cycle"),
        ("a: &x {b: *x}", "1:11", "a cycle"),
        ("a: *x", "1:4", "names no anchor"),
        ("a: &x 1\nb: &x 2", "2:4", "defined twice, first at p.yaml:1:4"),
        ("a:\n\tb: 1", "2:1", "a tab in the indentation"),
        ("a: 1\n\tb: 2", "2:1", "a tab in the indentation"),
        ("a:\tb", "1:3", "a tab"),
        ("a: b\0c", "1:5", "NUL"),
        ("a: b\x07", "1:5", "'\\x07' is not allowed"),
        ("a: b\x85c: d", "1:5", "not allowed"),
        ("a: b\u2028c: d", "1:5", "not allowed"),
        ("a: \ufeffb", "1:4", "not allowed"),
        ("a: \ud800", "1:4", "not allowed"),
        ('a: "\\0"', "1:4", "also not as an escape"),
        ('a: "\\ud800"', "1:4", "also not as an escape"),
        ('x: 1\na: "\\U00110000"', "2:7", "out of range"),
        ('a: "\\UFFFFFFFF"', "1:7", "out of range"),
        ('a: "\\q"', "1:6", "not valid YAML"),
        ("a: 1e999", "1:4", "too large"),
        ("a: .nan", "1:4", ".nan"),
        ("a: 18446744073709551616", "1:4", "64 bits"),
        ("a: " + "9" * 5000, "1:4", "64 bits"),
        ("a: 0x" + "f" * 5000, "1:4", "64 bits"),
        ("a: b: c", "1:5", "not valid YAML"),
        ("a: [1, 2", "1:9", "close them"),
        ("a: {b: 1", "1:9", "close them"),
        ("a: 'b", "1:6", "inside quotes"),
        ("a: `b`", "1:4", "cannot start a value"),
        ("a: @b", "1:4", "cannot start a value"),
        ("a: 1\n b: 2", "2:3", "not valid YAML"),
        ("a: {real: D(source, target)}", "1:11", "a.real: 'D(source' has an open '('"),
        ("k" * 300 + ": 1", "1:1", "longer than 200 characters"),
    ],
)
def test_refused(text: str, place: str, message: str) -> None:
    found = problems_of(text)
    assert found[0].startswith(f"p.yaml:{place}: ")
    assert message in found[0]


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        (b"a: 1\nb: \xff", "2:4", "not UTF-8: byte 0xff"),
        ("a: \u00e9".encode("latin-1"), "1:4", "not UTF-8"),
        ("a: 1".encode("utf-16"), "1:1", "not UTF-8"),
        ("a: 1".encode("utf-16-le"), "1:2", "NUL"),
        (b"\xed\xa0\x80: 1", "1:1", "not UTF-8"),
    ],
)
def test_refused_bytes(content: bytes, place: str, message: str) -> None:
    (found,) = problems_of(content)
    assert found.startswith(f"p.yaml:{place}: ")
    assert message in found


def test_a_byte_order_mark_at_the_start_is_accepted() -> None:
    document = parse_document(b"\xef\xbb\xbfa: 1", name="p.yaml")
    assert document.data == {"a": 1}
    assert document.position(("a",)) == Position("p.yaml", 1, 4)


def test_windows_line_ends() -> None:
    document = parse_document("a: 1\r\nb:\r\n  c: 2\r\n", name="p.yaml")
    assert document.data == {"a": 1, "b": {"c": 2}}
    assert document.position(("b", "c"), of="key") == Position("p.yaml", 3, 3)


def test_independent_problems_are_reported_together() -> None:
    found = problems_of("a: !x 1\nb: .nan\n2: c\nd: 1\nd: 2\ne: [")
    assert [line.split(":")[1] for line in found] == ["1", "2", "3", "5", "6"]


def test_a_flood_of_problems_is_cut() -> None:
    assert len(problems_of("a: 1\n" * 5000)) == 50


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000,
        "[" * 100_000,
        "{" * 100_000,
        "a: " + "[" * 500 + "]" * 500,
        "a: " + "{a: " * 500,
        "- " * 500,
        "? " * 500,
        "a: " + "[\n" * 10_000,
        "\n".join(" " * level + "a:" for level in range(500)),
    ],
)
def test_deep_nesting_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    (found,) = problems_of(text)
    assert "nested more than 32 deep" in found
    assert time.process_time() - started < 1.0


def test_depth_limit_is_exact() -> None:
    inside = "[" * 31 + "]" * 31
    parse_document(f"a: {inside}", name="p.yaml")
    assert "nested more than 32" in problems_of(f"a: [{inside}]")[0]
    # through an alias: 20 levels below 10 fit, below 20 they do not
    anchor = "a: &x " + "[" * 20 + "]" * 20
    parse_document(f"{anchor}\nb: {'[' * 11}*x{']' * 11}", name="p.yaml")
    assert "through an alias" in problems_of(f"{anchor}\nb: {'[' * 12}*x{']' * 12}")[0]


def test_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    started = time.process_time()
    assert "more than 10000 values" in problems_of("\n".join(lines))[0]
    assert time.process_time() - started < 1.0


def test_node_limit_is_exact() -> None:
    def listed(count: int) -> str:
        return f"a: [{', '.join(['x'] * count)}]"

    parse_document(listed(9997), name="p.yaml")  # and the top mapping, the key, the list
    assert "more than 10000" in problems_of(listed(9998))[0]


def test_size_limits() -> None:
    parse_document("a: " + "x" * (MAX_BYTES - 3), name="p.yaml")
    assert "1 MiB" in problems_of("a: " + "x" * (MAX_BYTES - 2))[0]
    assert "1 MiB" in problems_of(b"\xff" * (MAX_BYTES + 1))[0]
    assert "1 MiB" in problems_of("a: " + "\u00e9" * (MAX_BYTES // 2))[0]  # bytes, not characters
    assert "20000 lines" in problems_of("\n" * 20_001)[0]


def test_aliases_are_copies() -> None:
    data = parse_document("a: &x {b: [1]}\nc: *x", name="p.yaml").data
    data["a"]["b"].append(2)
    assert data["c"] == {"b": [1]}


def test_positions() -> None:
    document = parse_document(PIPELINE, name="p.yaml")
    assert document.position(("data", "root")) == Position("p.yaml", 4, 9)
    assert document.position(("data", "root"), of="key") == Position("p.yaml", 4, 3)
    assert document.position(("data", "transforms", 1, "RandomCrop")) == Position("p.yaml", 6, 44)
    assert document.position(("data", "transforms", 1), of="key") == Position("p.yaml", 6, 31)
    # below an alias: the alias itself, then the anchor's content
    assert document.position(("training", "optimizers", "discriminators")).line == 20
    assert document.position(("training", "optimizers", "discriminators", "lr")).line == 19
    # what does not exist: the nearest parent
    assert document.position(("data", "rot", "x"), of="key") == Position("p.yaml", 2, 1)
    assert document.position(("nothing",)) == Position("p.yaml", 1, 1)
    assert Document({}, {}, "q.yaml").position(("a",)) == Position("q.yaml")


def test_read_document(tmp_path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(PIPELINE.encode())
    assert read_document(file) == parse_document(PIPELINE, name=str(file))
    with pytest.raises(PipelineError, match="no such file"):
        read_document(tmp_path / "q.yaml")
    with pytest.raises(PipelineError, match="a folder"):
        read_document(tmp_path)
    with pytest.raises(PipelineError, match="cannot be read"):
        read_document(tmp_path / "a\0b")
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(PipelineError, match="1 MiB"):
        read_document(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(PipelineError, match="is not a file"):
        read_document(tmp_path / "pipe.yaml")


def test_mutants_raise_nothing_but_pipeline_errors() -> None:
    rng = random.Random(20240229)
    refused, escaped = 0, []
    for _ in range(500):
        text = mutant(rng, PIPELINE.encode())
        started = time.process_time()
        try:
            document = parse_document(text, name="p.yaml")
        except PipelineError as error:
            refused += 1
            escaped += [text for problem in error.problems or [None] if not (problem and problem.position.line >= 1)]
        else:
            assert isinstance(document.data, dict)
        assert time.process_time() - started < 1.0, text
    assert not escaped  # every refusal says where
    assert 100 < refused < 500  # the mutants are neither all harmless nor all hopeless
