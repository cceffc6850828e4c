"""What a check works on: the component, the sample to try it with, and how a broken rule is reported."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import torch
from torch import nn

from translate import generators
from translate.components import Entry
from translate.data.request import DataRequest
from translate.specs import Image, Label, Scalar, Several, Spec, Tensor, Vector
from translate.training.trees import decode_tree, encode_tree

RULES: Final = frozenset({
    "schema", "docs", "defaults", "build", "meta", "makes", "finite", "gradient", "deterministic", "state", "onnx",
    "result", "pure", "live", "fields", "hooks",
})  # fmt: skip
SEED: Final = 20_240_229
BATCH: Final = 2


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What to try a component with. See `check_component` for the fields."""

    inputs: Sequence[Spec] | None = None
    choices: Mapping[str, Any] = field(default_factory=dict)
    values: Callable[[], Mapping[str, Any]] | None = None
    constants: Collection[str] = ()
    request: DataRequest | None = None
    skip: Collection[str] = ()
    onnx: bool = False


@dataclass(frozen=True)
class Case:
    """One component under test."""

    entry: Entry
    sample: Sample

    def wants(self, rule: str) -> bool:
        """Whether a rule is to be checked."""
        return rule not in self.sample.skip

    def require(self, condition: object, rule: str, what: str) -> None:
        """Fail unless the condition holds, or the rule is left out."""
        if not condition and self.wants(rule):
            self.fail(rule, what)

    def fail(self, rule: str, what: str) -> NoReturn:
        """Fail, naming component, provider and rule."""
        msg = f"{self.entry.kind} '{self.entry.name}' of {self.entry.provider}: {rule}: {what}"
        raise AssertionError(msg)

    @contextlib.contextmanager
    def trying(self, rule: str, what: str) -> Iterator[None]:
        """Whatever is raised inside breaks this rule."""
        try:
            yield
        except AssertionError:
            raise
        except Exception as exc:
            msg = f"{self.entry.kind} '{self.entry.name}' of {self.entry.provider}: {rule}: {what} raised "
            raise AssertionError(msg + f"{type(exc).__name__}: {exc}") from exc

    def load_saved(self, source: nn.Module, target: nn.Module) -> None:
        """Load what a checkpoint keeps of one module into another one, as it would come back from the disk."""
        with self.trying("state", "saving its state_dict"):
            value, tensors = encode_tree(dict(source.state_dict()))
            text = json.dumps(value)
        with self.trying("state", "loading its state_dict into another one"):
            target.load_state_dict(decode_tree(json.loads(text), tensors))

    def choices(self) -> dict[str, Any]:
        """The sample's choices, checked and converted as the pipeline does, with defaults for the others."""
        schema = self.entry.schema
        specs = {choice.name for choice in schema.choices if choice.takes_spec}
        plain = {key: value for key, value in self.sample.choices.items() if key not in specs}
        clean, problems = schema.validate(plain)
        problems = [(path, text) for path, text in problems if path[0] not in specs]
        if problems:
            path, text = problems[0]
            self.fail("build", f"parameter '{'.'.join(map(str, path))}' {text} Give it in the sample's `choices`.")
        return clean

    def build(self, *inputs: Any, rule: str = "build", **more: Any) -> Any:
        """The built component; a failure breaks the given rule."""
        with self.trying(rule, "building it"):
            return self.entry.factory(*inputs, **{**self.choices(), **more})


def seeded(seed: int = SEED) -> contextlib.AbstractContextManager[None]:
    """A known state of all global generators inside, as where a training makes a component; the old one after."""
    return generators.seeded(seed)


def sample_tensor(spec: Spec, *, device: str = "cpu", batch: int = BATCH) -> Any:
    """Random values of a spec, from torch's generator; a float for a scalar, a list for several."""
    if isinstance(spec, Scalar):
        return 0.5
    if isinstance(spec, Several):
        return [sample_tensor(part, device=device, batch=batch) for part in spec.parts]
    shape = (batch, *spec.shape)
    if isinstance(spec, Label):
        return torch.randint(spec.classes, shape, device=device)
    if isinstance(spec, Image):
        return torch.rand(shape, device=device) * (spec.high - spec.low) + spec.low
    return torch.randn(shape, device=device, dtype=getattr(torch, spec.dtype))


def sample_spec(annotation: Any) -> Spec:
    """A small spec for a parameter of this annotation; an image where it says nothing more."""
    if isinstance(annotation, type):
        if issubclass(annotation, Vector):
            return Vector(8)
        if issubclass(annotation, Label):
            return Label(4)
        if issubclass(annotation, Scalar):
            return Scalar()
        if issubclass(annotation, Several):
            return Several((Image(3, 32, 32), Image(4, 16, 16)))
        if issubclass(annotation, Tensor):
            return Tensor((4,))
    return Image(3, 32, 32)


def tensors_in(value: Any) -> dict[str, torch.Tensor]:
    """All tensors of a result by path: a tensor, or mappings, sequences, named tuples and dataclasses of tensors."""
    if isinstance(value, torch.Tensor):
        return {"": value}
    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif hasattr(value, "__dataclass_fields__"):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    elif isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return {}
    return {
        f"{key}.{path}".rstrip("."): tensor for key, item in value.items() for path, tensor in tensors_in(item).items()
    }


def shapes_in(value: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a result."""
    return {path: tuple(tensor.shape) for path, tensor in tensors_in(value).items()}


def same_bits(first: Any, second: Any) -> bool:
    """Whether two results hold the same tensors, bit by bit (not-a-number equals itself)."""
    a, b = tensors_in(first), tensors_in(second)
    return a.keys() == b.keys() and all(
        a[path].dtype == b[path].dtype and torch.equal(_bits(a[path]), _bits(b[path])) for path in a
    )


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().view(torch.uint8) if tensor.ndim else tensor.detach().view(1).view(torch.uint8)
