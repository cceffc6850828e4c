"""A factory's signature is its schema: what is read, what is refused, how values are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from translate.signatures import MISSING, read_schema, type_text
from translate.specs import Image, Spec, Vector


def network(
    source: Image,
    /,
    *rest: Image,
    makes: Image,
    style: Vector | None = None,
    parts: Mapping[str, Spec] | None = None,
    width: Annotated[int, Field(ge=1, le=512)] = 64,
    norm: Literal["batch", "instance"] = "batch",
    depth: int | Literal["auto"] = "auto",
    bias: bool = True,
    widths: Sequence[int] = (),
    slope: float = 0.2,
) -> nn.Module:
    """Build a network. More of the first sentence.

    The second paragraph is not the summary.

    Args:
        source: The input.
        width: Channels of the first layer,
            note: at full resolution.
        norm:
            Which normalisation.

    Returns:
        The network.
    """
    raise NotImplementedError


def problems_of(**values: Any) -> dict[tuple[str | int, ...], str]:
    return dict(read_schema("generator", network).validate({"makes": "target", **values})[1])


def test_everything_is_read_from_the_signature_and_the_docstring():
    schema = read_schema("generator", network)
    assert schema.provided == ("source", "*rest")
    assert schema.summary == "Build a network. More of the first sentence."
    choices = {choice.name: choice for choice in schema.choices}
    assert [name for name, choice in choices.items() if choice.takes_spec] == ["makes", "style", "parts"]
    assert choices["makes"].required
    assert choices["makes"].default is MISSING
    assert choices["width"].description == "Channels of the first layer, note: at full resolution."
    assert choices["norm"].description == "Which normalisation."
    assert str(choices["width"]) == "width: int >= 1 <= 512 = 64"
    assert str(choices["makes"]) == "makes: expression"


def test_defaults_are_filled_in_in_the_order_of_the_signature():
    clean, problems = read_schema("generator", network).validate({"width": 8, "makes": "target"})
    assert problems == []
    assert list(clean) == ["makes", "style", "parts", "width", "norm", "depth", "bias", "widths", "slope"]
    assert (clean["width"], clean["norm"], clean["style"]) == (8, "batch", None)


@pytest.mark.parametrize(
    ("values", "path", "text"),
    [
        ({"widht": 3}, ("widht",), "no such parameter. Did you mean 'width'?"),
        ({"width": 0}, ("width",), "greater than or equal to 1 (got 0)"),
        ({"width": True}, ("width",), "must be int >= 1 <= 512 (got true)"),
        ({"norm": "bacth"}, ("norm",), "Did you mean 'batch'?"),
        ({"depth": "atuo"}, ("depth",), "must be int | 'auto' (got 'atuo'). Did you mean 'auto'?"),
        ({"widths": [1, "x", 3]}, ("widths", 1), "valid integer"),
        ({"slope": float("nan")}, ("slope",), "finite"),
        ({"makes": 3}, ("makes",), "must be an expression, of which the spec is taken (got 3)"),
        ({"makes": None}, ("makes",), "must be an expression, of"),
        ({"makes": {"a": "b"}}, ("makes",), "must be an expression, of"),
        ({"parts": "a"}, ("parts",), "must be names with expressions or null"),
        ({"parts": {"a": 1}}, ("parts",), "must be names with expressions"),
    ],
)
def test_a_wrong_value_is_reported_with_its_path(values, path, text):
    problems = problems_of(**values)
    assert list(problems) == [path]
    assert text in problems[path]


@pytest.mark.parametrize(
    "values",
    [
        {"style": None},
        {"style": "z"},
        {"parts": {"a": "x"}},
        {"bias": False},
        {"widths": [1, 2]},
        {"depth": 3},
        {"slope": 1},
    ],
)
def test_right_values_pass(values):
    assert problems_of(**values) == {}


def test_one_wrong_value_does_not_hide_the_others():
    clean, problems = read_schema("generator", network).validate({"width": 8, "norm": "x", "slope": "y"})
    assert [path for path, _ in problems] == [("norm",), ("slope",), ("makes",)]
    assert clean["width"] == 8


def test_the_json_schema_has_names_limits_and_expressions():
    schema = read_schema("generator", network).json_schema()
    properties = schema["properties"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["makes"]
    assert properties["width"] == {
        "default": 64,
        "description": "Channels of the first layer, note: at full resolution.",
        "maximum": 512,
        "minimum": 1,
        "title": "width",
        "type": "integer",
    }
    assert properties["makes"]["anyOf"] == [{"type": "string"}]
    assert {"type": "null"} in properties["style"]["anyOf"]
    assert properties["parts"]["anyOf"][0]["type"] == "object"


class TwoSided:
    """A loss."""

    def __init__(self, *, smooth: float = 0.0) -> None:
        """Take the choices.

        Args:
            smooth: How much.
        """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor: ...

    def generator(self, fake: Tensor, extra: Tensor | None = None) -> Tensor: ...


def test_a_loss_class_has_sides_and_a_function_has_both():
    schema = read_schema("loss", TwoSided)
    assert schema.sides == {"discriminator": ("real", "fake"), "generator": ("fake", "extra")}
    assert schema.expressions == {"real": True, "fake": True, "extra": False}
    assert schema.choices[0].description == "How much."

    def l1(of: Tensor, to: Tensor, *, scale: float = 1.0) -> Tensor: ...

    assert read_schema("loss", l1).sides == {"both": ("of", "to")}


class Bare(nn.Module):
    """An operation without choices and without a constructor."""

    def forward(self, x: Tensor, /) -> Tensor:
        return x


class WithChoices(nn.Module):
    def __init__(self, *, size: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x


def test_operations_are_read_from_the_function_or_from_forward():
    def concat(*values: Tensor, axis: int = 1) -> Tensor:
        return torch.cat(values, axis)

    assert read_schema("operation", concat).provided == ("*values",)
    assert read_schema("operation", Bare).provided == ("x",)
    assert read_schema("operation", Bare).choices == ()
    assert read_schema("operation", WithChoices).provided == ("x", "y")


def refused() -> list[tuple[str, Any, str]]:
    def kwargs(*, a: int, **rest: int) -> None: ...
    def bare(*, a) -> None: ...
    def stray(a: int) -> None: ...
    def unresolved(*, a: Nowhere) -> None: ...  # noqa: F821  the point of the test
    def broken(*, a: nn.NoSuchThing) -> None: ...
    def provided(a: Image, /) -> None: ...
    def nothing() -> None: ...
    def spec_choice(of: Tensor, *, makes: Image) -> None: ...
    def star(*of: Tensor) -> None: ...

    class Positional:
        def __init__(self, smooth: float) -> None: ...
        def generator(self, fake: Tensor) -> None: ...

    class Sideless:
        """Neither side."""

    class BothNames:
        def __init__(self, *, fake: float) -> None: ...
        def generator(self, fake: Tensor) -> None: ...

    class KeywordSide:
        def generator(self, fake: Tensor, *, choice: int) -> None: ...

    class NoCompute:
        def update(self, of: Tensor) -> None: ...

    class NoForward:
        """Not a module."""

    class KeywordForward(nn.Module):
        def forward(self, x: Tensor, *, choice: int) -> Tensor: ...

    class PositionalOperation(nn.Module):
        def __init__(self, size: int, /) -> None: ...
        def forward(self, x: Tensor) -> Tensor: ...

    return [
        ("generator", kwargs, "swallow misspelt keys"),
        ("generator", bare, "'a' has no annotation"),
        ("generator", stray, "neither positional-only"),
        ("generator", unresolved, "cannot be resolved at run time"),
        ("generator", broken, "signature cannot be read .AttributeError"),
        ("generator", 3, "neither a function nor a class"),
        ("latent", provided, "the pipeline provides nothing to a latent"),
        ("dataset", nothing, "one positional-only parameter, the request"),
        ("loss", spec_choice, "only networks take specs"),
        ("loss", star, "the expressions of a loss have names"),
        ("loss", Positional, "'smooth' of a loss class's constructor"),
        ("loss", Sideless, "needs `discriminator` or `generator`"),
        ("loss", BothNames, "both an expression and a choice"),
        ("loss", KeywordSide, "'choice' of `generator` is keyword-only"),
        ("metric", NoCompute, "needs `update` and `compute`"),
        ("operation", NoForward, "needs a method `forward`"),
        ("operation", KeywordForward, "'choice' of `forward` is keyword-only"),
        ("operation", PositionalOperation, "'size' of the constructor must be keyword-only"),
    ]


@pytest.mark.parametrize(("kind", "factory", "text"), refused())
def test_a_signature_that_breaks_a_rule_is_refused(kind, factory, text):
    with pytest.raises(TypeError, match=text):
        read_schema(kind, factory)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (Annotated[float, Field(gt=0, lt=1)], "float > 0 < 1"),
        (Literal["a", 1, True] | None, "'a' | 1 | true | null"),
        (list[int], "list of int"),
        (tuple[float, float], "list of 2: float, float"),
        (tuple[int, ...], "list of int"),
        (Mapping[str, int], "mapping of int"),
        (int | None, "int | null"),
        (Any, "Any"),
    ],
)
def test_types_are_shown_as_users_read_them(annotation, text):
    assert type_text(annotation) == text
