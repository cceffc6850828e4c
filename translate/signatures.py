"""A factory's signature is its schema.

| kind | positional-only (provided by the pipeline) | plain parameters | keyword-only |
|---|---|---|---|
| generator, discriminator | specs of the inputs, in the order of the call | - | choices, and specs |
| parametrization | the network | - | choices |
| operation | tensors (of the function, or of `forward`) | - | choices (of the function, or of `__init__`) |
| loss, metric | - | expressions, by name | choices |
| dataset | the `DataRequest` | - | choices |
| latent, schedule, observer | - | - | choices |

A choice of a network that is annotated with a spec is written as an expression, and the factory receives its spec.
A loss is a function, or a class whose constructor takes the choices and whose methods `discriminator(...)` and
`generator(...)` take the expressions of each side. A metric is a function that returns one value per example, or a
class with the methods of the module's last table. Choices are validated with pydantic; `**kwargs` is refused.

What a signature cannot say, a factory says by attributes (of the class, or given to a function by `marked`). The core
reads them to find mistakes before anything starts:

| attribute | of | meaning |
|---|---|---|
| `field_names: tuple[str, ...]` | datasets | the fields, so that expressions are checked before data is opened |
| `is_penalty = True` | losses | penalises each example's gradient: no batch norm in the network, no weight clipping |
| `expects_logits = True` | losses | applies the sigmoid or softmax itself: the network must not end in one |
| `label_choices: tuple[str, ...]` | losses | choices that outputs shall come to: a last sigmoid must reach them |
| `side_choices: Mapping[str, tuple[str, ...]]` | losses | by side, the choices that count on it alone |
| `compares_places: Mapping[str, Any]` | losses | with these choices, values are compared place by place |
| `expects_range: tuple[float, float]` | losses | compares with images in this range: `data.value_range` must be it |
| `is_maximised = True` | losses | larger is better: a turn's sum takes it with a minus, and it is logged as it is |
| `needs_constraint = True` | losses | refused for a critic without weight clipping, penalty or `bounds_weights` |
| `bounds_weights = True` | parametrizations | bounds every weight of a network, as spectral norm does, or refuses it |
| `makes_probabilities = True` | operations | is a sigmoid: a loss that applies one itself must not get its result |
| `keeps_values = True` | operations | selects, orders or joins values as they are: a sigmoid before it still counts |
| `both_sides = True` | operations | a treatment that real and fake must both have, and alike |
| `moves_values = True` | operations | moves what it is given to places drawn at random, anew in each call |
| `is_history = True` | operations | gives earlier examples: must not be judged together with the present ones' |
| `makes_leaf = True` | operations | its result has a gradient of its own, for a penalty; not shared between turns |
| `least_batch: int` | operations, networks | examples that one process must see at once for it to do anything |
| `end: int` | schedules | the first step of the last value: networks that take the value are built for that one |
| `part_of_model = True` | operation classes | what it gathers in training counts outside too, like weights |

A class of loss may have a method `measured` beside `discriminator`, with the same parameters. What it returns, 0-d
tensors by name, is logged in the iterations that are logged; it must draw no random numbers. Adversarial losses give
`accuracy_real` and `accuracy_fake`, the share of right answers, the mean outputs `score_real` and `score_fake`,
`certain`, the share of answers that leave no doubt, and `to_chance`, the loss as a multiple of what always saying the
same costs.

What a class of metric has. Its expressions are those of `update` and `fit`, and may be optional (`= None`):

| method | called |
|---|---|
| `fit(...)`, if it learns first | with batches of the training split: `fit_count` examples, if it has that choice |
| `fitted()`, beside `fit` | once, after all of them; what was learned is copied for every metric that learns alike |
| `update(...)` | with each batch of the examples to measure on |
| `compute()` | last: gives a part, or parts by name (see `translate.evaluation.measures`) |
| `warnings()`, optional | after `compute`: texts for the report, such as that a set is too small |
| `unavailable()`, optional | before anything: what is missing and how to get it, such as weights; None = nothing |
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from translate.errors import ANYTHING, did_you_mean
from translate.specs import Spec

MISSING: Any = inspect.Parameter.empty
F = TypeVar("F", bound=Callable[..., Any])
_CONFIG = ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False)


def marked(
    *,
    field_names: tuple[str, ...] | None = None,
    is_penalty: bool | None = None,
    expects_logits: bool | None = None,
    label_choices: tuple[str, ...] | None = None,
    expects_range: tuple[float, float] | None = None,
    is_maximised: bool | None = None,
    makes_probabilities: bool | None = None,
    keeps_values: bool | None = None,
    both_sides: bool | None = None,
    is_history: bool | None = None,
    makes_leaf: bool | None = None,
    needs_constraint: bool | None = None,
    bounds_weights: bool | None = None,
    least_batch: int | None = None,
) -> Callable[[F], F]:
    """Give a function attributes of the module's second table; a class has them in its body.

    >>> @marked(makes_leaf=True)
    ... def leaf(value): ...
    >>> leaf.makes_leaf
    True
    """
    given = {
        "field_names": field_names,
        "is_penalty": is_penalty,
        "expects_logits": expects_logits,
        "label_choices": label_choices,
        "expects_range": expects_range,
        "is_maximised": is_maximised,
        "makes_probabilities": makes_probabilities,
        "keeps_values": keeps_values,
        "both_sides": both_sides,
        "is_history": is_history,
        "makes_leaf": makes_leaf,
        "needs_constraint": needs_constraint,
        "bounds_weights": bounds_weights,
        "least_batch": least_batch,
    }

    def mark(factory: F) -> F:
        for name, value in given.items():
            if value is not None:
                setattr(factory, name, value)
        return factory

    return mark


@dataclass(frozen=True, slots=True)
class Choice:
    """One keyword-only parameter: what a user may set.

    Attributes:
        name: The key in the pipeline.
        annotation: Its type, with constraints.
        default: The default, or `MISSING` when the user must give it.
        description: The parameter's line in the factory's docstring.
        takes_spec: The value is an expression whose spec the factory receives (such as `makes: target`).
    """

    name: str
    annotation: Any
    default: Any
    description: str
    takes_spec: bool

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is MISSING

    def __str__(self) -> str:
        shown = f"{self.name}: {'expression' if self.takes_spec else type_text(self.annotation)}"
        return shown if self.required else f"{shown} = {value_text(self.default)}"


@dataclass(frozen=True)
class Schema:
    """What a component takes.

    Attributes:
        provided: Names of the positional-only parameters; a leading `*` marks any number.
        expressions: Names of the expression parameters (losses and metrics), each with whether it is required.
        sides: Parameter names per side of a loss (`discriminator`, `generator`) or of a metric (`update`, `fit`);
            `both` for a plain function.
        choices: The user's choices, in the order of the signature.
        summary: First paragraph of the docstring.
    """

    provided: tuple[str, ...]
    expressions: Mapping[str, bool]
    sides: Mapping[str, tuple[str, ...]]
    choices: tuple[Choice, ...]
    summary: str

    @cached_property
    def model(self) -> type[BaseModel]:
        """Pydantic model of the plain choices. Fields carry a prefix so that no name can mean something to pydantic."""
        fields: dict[str, Any] = {}
        for choice in self.choices:
            if choice.takes_spec:
                continue
            default = ... if choice.required else choice.default
            field = Field(default, alias=choice.name, title=choice.name, description=choice.description or None)
            fields[f"p_{choice.name}"] = (choice.annotation, field)
        return create_model("Choices", __config__=ConfigDict(extra="forbid", **_CONFIG), **fields)

    @cached_property
    def _models(self) -> dict[str, type[BaseModel]]:
        """One model for each plain choice, so that a wrong value says nothing about the others."""
        return {
            choice.name: create_model(choice.name, __config__=_CONFIG, value=(choice.annotation, ...))
            for choice in self.choices
            if not choice.takes_spec
        }

    def validate(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[tuple[str | int, ...], str]]]:
        """Check the user's values.

        Args:
            values: The component's keys other than its name and its expressions.

        Returns:
            The values with types converted and defaults filled in, and the problems, each with the path below the
            component and a message.
        """
        choices = {choice.name: choice for choice in self.choices}
        problems: list[tuple[tuple[str | int, ...], str]] = []
        clean: dict[str, Any] = {}
        for key, value in values.items():
            choice = choices.get(key)
            if choice is None:
                listing = ", ".join(map(str, self.choices)) or "none"
                problems.append(((key,), f"no such parameter.{did_you_mean(key, choices)} Parameters: {listing}."))
            elif choice.takes_spec:
                clean[key] = value
                allowed = _spec_forms(choice.annotation)
                if not any(is_form(value) for is_form in allowed.values()):
                    message = f"must be {' or '.join(allowed)}, of which the spec is taken (got {value!r})"
                    problems.append(((key,), message))
            else:
                problems += self._check_plain(choice, value, clean)
        problems += [
            ((choice.name,), f"is required: {choice}. {choice.description}".rstrip())
            for choice in self.choices
            if choice.required and choice.name not in values
        ]
        ordered = {
            choice.name: clean.get(choice.name, choice.default)
            for choice in self.choices
            if choice.name in clean or not choice.required
        }
        return ordered, problems

    def _check_plain(
        self, choice: Choice, value: Any, clean: dict[str, Any]
    ) -> list[tuple[tuple[str | int, ...], str]]:
        if isinstance(value, bool) and not _allows_bool(choice.annotation):
            # pydantic would take `true` for 1.
            message = f"must be {type_text(choice.annotation)} (got {value_text(value)})"
            return [((choice.name,), message)]
        try:
            clean[choice.name] = dict(self._models[choice.name].model_validate({"value": value}))["value"]
        except ValidationError as exc:
            by_path: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
            for error in exc.errors(include_url=False):
                path = (
                    choice.name,
                    *(part for part in error["loc"][1:] if isinstance(part, int) or part in _keys(value)),
                )
                by_path.setdefault(path, []).append(error)
            return [(path, _problem_text(errors, choice)) for path, errors in by_path.items()]
        return []

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the choices, for completion in editors."""
        schema = self.model.model_json_schema(by_alias=True)
        properties = schema.setdefault("properties", {})
        for choice in self.choices:
            if choice.takes_spec:
                forms = [_SPEC_FORM_SCHEMAS[form] for form in _spec_forms(choice.annotation)]
                properties[choice.name] = {"anyOf": forms, "description": choice.description}
                if choice.required:
                    schema.setdefault("required", []).append(choice.name)
        return schema


_SPEC_FORM_SCHEMAS: dict[str, dict[str, Any]] = {
    "an expression": {"type": "string"},
    "null": {"type": "null"},
    "names with expressions": {"type": "object", "additionalProperties": {"type": "string"}},
    "a list of expressions": {"type": "array", "items": {"type": "string"}},
}


def _problem_text(errors: Sequence[Mapping[str, Any]], choice: Choice) -> str:
    if len(errors) == 1:
        return pydantic_message(errors[0], choice)
    found = errors[0].get("input")  # the members of a union each have their say: name them all instead
    near = did_you_mean(found, [str(value) for value in literals(choice.annotation)]) if isinstance(found, str) else ""
    return f"must be {type_text(choice.annotation)} (got {found!r}){near and '.' + near}"


def pydantic_message(error: Mapping[str, Any], choice: Choice | None = None) -> str:
    """One pydantic error as a sentence with the value found and did-you-mean."""
    message = f"{error['msg']} (got {error.get('input')!r})"
    allowed = literals(choice.annotation) if choice is not None else []
    expected = error.get("ctx", {}).get("expected", "")
    allowed = allowed or re.findall(r"'([^']*)'", expected if isinstance(expected, str) else "")
    if isinstance(error.get("input"), str) and allowed:
        message += did_you_mean(error["input"], [str(value) for value in allowed])
    return message


def read_schema(kind: str, factory: Any) -> Schema:
    """Read the schema of a component from its factory.

    Raises:
        TypeError: The signature breaks a rule of the module's table; says which.
    """
    if not callable(factory):
        msg = f"it is a {type(factory).__name__}, neither a function nor a class"
        raise TypeError(msg)
    doc = inspect.cleandoc(factory.__doc__ or "")
    summary = " ".join(doc.split("\n\n")[0].split())
    parameters = _parameters(factory)
    choices = _choices(kind, factory, parameters)
    if kind in {"loss", "metric"}:
        sides = _sides(kind, factory)
        expressions = {
            p.name: any(q.name == p.name and q.default is MISSING for side in sides.values() for q in side)
            for side in sides.values()
            for p in side
        }
        for choice in choices:
            if choice.name in expressions:
                msg = f"'{choice.name}' is both an expression and a choice"
                raise TypeError(msg)
        names = {side: tuple(p.name for p in params) for side, params in sides.items()}
        return Schema((), expressions, names, choices, summary)
    return Schema(_provided(kind, factory, parameters), {}, {}, choices, summary)


def _choices(kind: str, factory: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> tuple[Choice, ...]:
    descriptions = _argument_descriptions(inspect.cleandoc(factory.__doc__ or ""))
    if inspect.isclass(factory):
        descriptions |= _argument_descriptions(inspect.cleandoc(inspect.getdoc(factory.__init__) or ""))
    choices = tuple(
        Choice(p.name, p.annotation, p.default, descriptions.get(p.name, ""), _takes_spec(p.annotation))
        for p in parameters
        if p.kind is p.KEYWORD_ONLY
    )
    for choice in choices:
        if choice.annotation is MISSING:
            msg = f"parameter '{choice.name}' has no annotation"
            raise TypeError(msg)
        if kind not in {"generator", "discriminator"} and choice.takes_spec:
            msg = f"parameter '{choice.name}': only networks take specs as choices, not a {kind}"
            raise TypeError(msg)
    return choices


def _provided(kind: str, factory: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> tuple[str, ...]:
    stray = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if stray:
        msg = f"parameter '{stray[0]}' is neither positional-only (provided) nor keyword-only (a choice)"
        raise TypeError(msg)
    provided = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    if kind == "operation" and inspect.isclass(factory):
        if provided:
            msg = f"parameter '{provided[0].name}' of the constructor must be keyword-only; tensors come to `forward`"
            raise TypeError(msg)
        provided = _method_parameters(factory, "forward", "an operation class")
        for parameter in provided:
            if parameter.kind is parameter.KEYWORD_ONLY:
                msg = f"parameter '{parameter.name}' of `forward` is keyword-only; choices belong to the constructor"
                raise TypeError(msg)
    if kind in {"latent", "schedule", "observer"} and provided:
        msg = f"parameter '{provided[0].name}' must be keyword-only: the pipeline provides nothing to a {kind}"
        raise TypeError(msg)
    alone = {"dataset": "the request", "parametrization": "the network"}
    if kind in alone and len(provided) != 1:
        msg = f"a {kind} takes one positional-only parameter, {alone[kind]}"
        raise TypeError(msg)
    return tuple(f"*{p.name}" if p.kind is p.VAR_POSITIONAL else p.name for p in provided)


def _sides(kind: str, factory: Callable[..., Any]) -> dict[str, list[inspect.Parameter]]:
    if not inspect.isclass(factory):
        sides = {"both": [p for p in _parameters(factory) if p.kind is not p.KEYWORD_ONLY]}
    else:
        _refuse_positional(kind, factory)
        wanted = ("discriminator", "generator") if kind == "loss" else ("update", "fit")
        sides = {
            name: _method_parameters(factory, name, f"a {kind} class") for name in wanted if hasattr(factory, name)
        }
        complete = "update" in sides and hasattr(factory, "compute") if kind == "metric" else bool(sides)
        if not complete:
            needed = "`discriminator` or `generator`" if kind == "loss" else "`update` and `compute`"
            msg = f"a {kind} class needs {needed}"
            raise TypeError(msg)
        if not sides.get("fit", [True]):
            msg = "`fit` of a metric class takes expressions"
            raise TypeError(msg)
    for side, parameters in sides.items():
        for parameter in parameters:
            if parameter.kind is parameter.VAR_POSITIONAL:
                msg = f"'*{parameter.name}': the expressions of a {kind} have names"
                raise TypeError(msg)
            if parameter.kind is parameter.KEYWORD_ONLY:
                msg = f"parameter '{parameter.name}' of `{side}` is keyword-only; choices belong to the constructor"
                raise TypeError(msg)
    return sides


def _refuse_positional(kind: str, factory: Callable[..., Any]) -> None:
    for parameter in _parameters(factory):
        if parameter.kind is not parameter.KEYWORD_ONLY:
            msg = f"parameter '{parameter.name}' of a {kind} class's constructor must be keyword-only (a choice)"
            raise TypeError(msg)


def _method_parameters(factory: type, name: str, what: str) -> list[inspect.Parameter]:
    method = getattr(factory, name, None)
    if not callable(method):
        msg = f"{what} needs a method `{name}`"
        raise TypeError(msg)
    parameters = _parameters(method)
    bound = isinstance(inspect.getattr_static(factory, name), (staticmethod, classmethod))
    return parameters if bound else parameters[1:]


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if inspect.isclass(function) and _constructor_owner(function).partition(".")[0] in {"builtins", "torch"}:
        return []  # no constructor of its own: torch's takes anything
    try:
        parameters = list(inspect.signature(function, eval_str=True).parameters.values())
    except NameError as exc:
        msg = f"an annotation cannot be resolved at run time ({exc}); import its name outside TYPE_CHECKING"
        raise TypeError(msg) from exc
    except ANYTHING as exc:
        msg = f"the signature cannot be read ({type(exc).__name__}: {exc})"
        raise TypeError(msg) from exc
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            msg = f"'**{parameter.name}' would swallow misspelt keys"
            raise TypeError(msg)
    return parameters


def _constructor_owner(factory: type) -> str:
    return next((base.__module__ for base in factory.__mro__ if "__init__" in vars(base)), "builtins")


def _takes_spec(annotation: Any) -> bool:
    return bool(_spec_forms(annotation).keys() - {"null"})


def _spec_forms(annotation: Any) -> dict[str, Callable[[Any], bool]]:
    """How expressions may be written where specs are taken, with a test for each form; empty for other types."""
    origin, args = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return {"an expression": lambda value: isinstance(value, str)}
    if annotation is type(None):
        return {"null": lambda value: value is None}
    if origin is Annotated:
        return _spec_forms(args[0])
    if origin in {Union, types.UnionType}:
        return {text: test for arg in args for text, test in _spec_forms(arg).items()}
    if not isinstance(origin, type) or not args or not _takes_spec(args[1] if issubclass(origin, Mapping) else args[0]):
        return {}
    if issubclass(origin, Mapping):
        return {"names with expressions": lambda value: isinstance(value, Mapping) and _are_text(value.values())}
    if issubclass(origin, Sequence):
        return {"a list of expressions": lambda value: isinstance(value, list | tuple) and _are_text(value)}
    return {}


def _are_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _argument_descriptions(doc: str) -> dict[str, str]:
    """The `Args:` section of a Google-style docstring, one description per name."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", doc, re.MULTILINE | re.DOTALL)
    if section is None:
        return {}
    found: dict[str, str] = {}
    name = ""
    body = inspect.cleandoc(section.group(1))
    for line in body.splitlines():
        start = re.match(r"\*{0,2}(\w+)(?: \([^)]*\))?:(?: +(.*))?$", line)
        if start:
            name = start.group(1)
            found[name] = (start.group(2) or "").strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _keys(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Mapping) else []


def literals(annotation: Any) -> list[Any]:
    """The values of a `Literal`, also inside a union."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [value for arg in get_args(annotation) if get_origin(arg) is not None for value in literals(arg)]


def _allows_bool(annotation: Any) -> bool:
    if annotation in {bool, Any, object}:
        return True
    if get_origin(annotation) is Literal:
        return any(isinstance(value, bool) for value in get_args(annotation))
    members = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    is_union = get_origin(annotation) in {Annotated, Union, types.UnionType}
    return is_union and any(_allows_bool(member) for member in members)


def value_text(value: Any) -> str:
    """A value as it is written in a pipeline file."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def type_text(annotation: Any) -> str:
    """A type as users read it: `int >= 1`, `'batch' | 'instance'`, `list of int`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "null"
    if origin is Annotated:
        return type_text(args[0]) + "".join(_constraint_text(extra) for extra in args[1:])
    if origin is Literal:
        return " | ".join(value_text(value) for value in args)
    if origin in {Union, types.UnionType}:
        return " | ".join(type_text(arg) for arg in args)
    if origin is tuple and args[-1] is not Ellipsis:
        return f"list of {len(args)}: {', '.join(map(type_text, args))}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"list of {type_text(args[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {type_text(args[1])}"
    return getattr(annotation, "__name__", str(annotation))


def _constraint_text(extra: Any) -> str:
    limits: list[Any] = [extra, *getattr(extra, "metadata", [])]
    signs = {
        "ge": ">=",
        "gt": ">",
        "le": "<=",
        "lt": "<",
        "multiple_of": "multiple of",
        "min_length": "length >=",
        "max_length": "length <=",
    }
    return "".join(
        f" {sign} {value}"
        for limit in limits
        for name, sign in signs.items()
        if (value := getattr(limit, name, None)) is not None
    )
