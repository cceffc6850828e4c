"""Throw-away components for tests: tiny networks, a loss and an operation that the built-ins do not have yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from translate import Component, Image, Scalar, Spec, Vector, hookimpl
from translate.data.request import DataRequest
from translate.specs import Several


class Dense(nn.Module):
    """Flatten all inputs, concatenate, two layers."""

    def __init__(
        self, size: int, out: tuple[int, ...], width: int, *, dropout: float, norm: bool, sigmoid: bool = False
    ) -> None:
        super().__init__()
        self.out = out
        self.first = nn.Linear(size, width)
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()  # p = 0 would still use random numbers
        self.second = nn.Linear(width, prod(out))
        self.last = nn.Sigmoid() if sigmoid else nn.Identity()

    def forward(self, *inputs: Tensor) -> Tensor:
        flat = torch.cat([value.flatten(1) for value in inputs], 1)
        return self.last(self.second(self.dropout(torch.tanh(self.norm(self.first(flat)))))).reshape(-1, *self.out)


def dense(
    *inputs: Spec,
    makes: Spec | None = None,
    width: int = 8,
    dropout: float = 0.0,
    norm: bool = False,
    sigmoid: bool = False,
) -> nn.Module:
    """A two-layer network that makes what it is told to, or one number."""
    size = sum(prod(spec.shape) for spec in inputs)
    return Dense(size, makes.shape if makes else (1,), width, dropout=dropout, norm=norm, sigmoid=sigmoid)


class Info(nn.Module):
    def __init__(self, size: int, code: int) -> None:
        super().__init__()
        self.trunk, self.real, self.code = nn.Linear(size, 8), nn.Linear(8, 1), nn.Linear(8, code)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        h = torch.tanh(self.trunk(image.flatten(1)))
        return {"validity": self.real(h), "code": self.code(h)}


def info(image: Image, /, *, makes: Mapping[str, Spec]) -> nn.Module:
    """A discriminator with a shared trunk, a validity head and a code head."""
    return Info(prod(image.shape), makes["code"].shape[0])


class PairG(nn.Module):
    def __init__(self, size: int, outs: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.outs = outs
        self.shared = nn.Linear(size, 8)
        self.tails = nn.ModuleDict({name: nn.Linear(8, prod(out)) for name, out in outs.items()})

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        h = torch.tanh(self.shared(z))
        return {name: self.tails[name](h).reshape(-1, *out) for name, out in self.outs.items()}


def pair_g(z: Vector, /, *, makes: Mapping[str, Spec]) -> nn.Module:
    """Two generators that share their first layer."""
    return PairG(z.size, {name: spec.shape for name, spec in makes.items()})


class PairD(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(size, 8) for name in ("a", "b")})
        self.shared = nn.Linear(8, 1)

    def forward(self, image: Tensor, domain: str) -> Tensor:
        return self.shared(torch.tanh(self.heads[domain](image.flatten(1))))


def pair_d(image: Image, /) -> nn.Module:
    """Two discriminators that share their last layer."""
    return PairD(prod(image.shape))


class SeveralG(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, values: list[Tensor]) -> Tensor:
        return self.scale * values[0]


def several(values: Several, /) -> nn.Module:
    """Takes a list of values."""
    return SeveralG()


class GrowingG(nn.Module):
    def __init__(self, size: int, out: tuple[int, ...]) -> None:
        super().__init__()
        self.out = out
        self.coarse = nn.Linear(size, out[0] * out[1] * out[2] // 4)
        self.fine = nn.Conv2d(out[0], out[0], 3, padding=1)

    def forward(self, z: Tensor, growth: float) -> Tensor:
        c, h, w = self.out
        up = F.interpolate(self.coarse(z).reshape(-1, c, h // 2, w // 2), scale_factor=2)
        return (1 - growth) * up + growth * self.fine(up)


def growing_g(z: Vector, growth: Scalar, /, *, makes: Image) -> nn.Module:
    """Fades a second stage in."""
    return GrowingG(z.size, makes.shape)


class GrowingD(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Linear(size, 8), nn.Linear(size // 4, 8)
        self.last = nn.Linear(8, 1)

    def forward(self, image: Tensor, growth: float) -> Tensor:
        low = self.coarse(F.avg_pool2d(image, 2).flatten(1))
        return self.last(torch.tanh((1 - growth) * low + growth * self.fine(image.flatten(1))))


def growing_d(image: Image, growth: Scalar, /) -> nn.Module:
    """Fades a second stage in."""
    return GrowingD(prod(image.shape))


def cross_entropy(of: Tensor, to: Tensor) -> Tensor:
    """Cross-entropy of logits to one-hot targets: the mutual information bound of a categorical code."""
    return -(F.log_softmax(of, 1) * to).sum(1).mean()


class Counting(nn.Module):
    """An operation with memory that counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, value: Tensor) -> Tensor:
        self.calls += 1
        return value


class Scaling(nn.Module):
    """An operation with a constant of its own on the device."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.from_numpy(np.full((1, 4, 4), 2.0, np.float32)))

    def forward(self, value: Tensor) -> Tensor:
        return value * self.scale


class Scaled(Scaling):
    """A network with a constant that is not made by torch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 1)

    def forward(self, value: Tensor) -> Tensor:
        return self.layer(super().forward(value))


def scaled(source: Image, /) -> nn.Module:
    """One convolution of twice its input."""
    return Scaled()


class ToyData:
    """Deterministic random pictures."""

    field_names = ("source", "target")

    def __init__(self, request: DataRequest, count: int) -> None:
        height, width = request.image_size or (4, 4)
        low, high = request.value_range
        self.fields = dict.fromkeys(self.field_names, Image(1, height, width, low, high))
        self._count, self._shape = count, (height, width, 1)
        self._seed = {"train": 0, "val": 1, "test": 2}[request.split]

    def __len__(self) -> int:
        return self._count

    def example(self, index: int, generator: np.random.Generator) -> dict[str, Any]:
        source = np.random.default_rng([self._seed, index]).integers(0, 256, self._shape, dtype=np.uint8)
        return {"source": source, "target": 255 - source}

    def name(self, index: int) -> str:
        return f"toy-{index}"


def toy_data(request: DataRequest, /, *, count: int = 32) -> ToyData:
    """Noise and its negative."""
    return ToyData(request, count)


toy_data.field_names = ToyData.field_names


class Plugin:
    """All of the above as a plugin object."""

    @hookimpl
    def translate_components(self) -> Iterable[Component]:
        table = {
            "generator": ["dense", "pair_g", "growing_g", "scaled", "several"],
            "discriminator": ["dense", "info", "pair_d", "growing_d"],
            "loss": ["cross_entropy"],
            "operation": ["counting", "scaling"],
            "dataset": ["toy_data"],
        }
        for kind, names in table.items():
            for name in names:
                target = {"counting": "Counting", "scaling": "Scaling"}.get(name, name)
                public = f"toy_{name}" if not name.startswith("toy") else name
                yield Component(kind=kind, name=public, target=f"toys:{target}", summary="For tests.")
