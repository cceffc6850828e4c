"""A plugin and a run that exist only here, so that evaluation is tested without the built-in components."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import Tensor, nn

from translate import Component, Image, Vector, hookimpl
from translate.errors import DataError
from translate.pipeline.building import build
from translate.pipeline.loading import load_pipeline
from translate.pipeline.opening import open_stream
from translate.plugin_manager import PluginManager

SIZE = 12
MODULE = "evaluation_test_plugin"


class Negatives:
    """Source: random blocks of colour; target: their negative."""

    def __init__(self, pictures: np.ndarray, request: Any) -> None:
        self.pictures = pictures
        image = Image(3, SIZE, SIZE, *request.value_range)
        self.fields = {"source": image, "target": image}

    def __len__(self) -> int:
        return len(self.pictures)

    def example(self, index: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {"source": self.pictures[index], "target": 255 - self.pictures[index]}

    def name(self, index: int) -> str:
        return f"example-{index}"


def negatives(
    request, /, *, train: int = 9, held_out: int = 5, leaked: int = 0, empty_val: bool = True, plain: bool = False
) -> Negatives:
    """Negatives.

    Args:
        train: Training examples.
        held_out: Examples of the test split.
        leaked: Test examples that are training examples.
        empty_val: There is no val split.
        plain: Every picture has one colour.
    """
    if request.split == "val" and empty_val:
        raise DataError("there is no folder 'val'", where="root")
    count = train if request.split == "train" else held_out
    seed = ["train", "val", "test"].index(request.split)
    pictures = random_pictures(count, seed)
    if request.split == "test":
        pictures[:leaked] = random_pictures(train, 0)[:leaked]
    if plain:
        pictures[:] = 7
    return Negatives(pictures, request)


def random_pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


class Affine(nn.Module):
    """x -> a x + b; a and b are parameters."""

    def __init__(self, a: float, b: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))
        self.b = nn.Parameter(torch.tensor(b))

    def forward(self, source: Tensor, *more: Tensor) -> Tensor:
        result = self.a * source + self.b
        for each in more:
            result = result + 0.1 * each.reshape(len(each), -1)[:, :1, None, None]
        return result


def affine(*inputs: Image, makes: Image, a: float = -1.0, b: float = 0.0) -> nn.Module:
    """A generator that is exact for negatives."""
    return Affine(a, b)


def l1(of: Tensor, to: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (of - to).abs().flatten(1).mean(1)


def l1_loss(of: Tensor, to: Tensor) -> Tensor:
    """Mean absolute difference of a batch."""
    return (of - to).abs().mean()


def scaled(of: Tensor, *, by: Annotated[float, Field(gt=0)] = 1.0) -> Tensor:
    """Mean value times a factor."""
    return of.flatten(1).mean(1) * by


def wrong_shape(of: Tensor) -> Tensor:
    """Not one value per example."""
    return of.mean()


class Range:
    """Smallest and largest value of the whole set."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def update(self, of: Tensor) -> None:
        self.values += [float(of.min()), float(of.max())]

    def compute(self) -> dict[str, float]:
        return {"low": min(self.values), "high": max(self.values)}


class Infinite:
    """A number that is not finite."""

    def __init__(self) -> None:
        self.examples = 0

    def update(self, of: Tensor) -> None:
        self.examples += len(of)

    def compute(self) -> float:
        return float("inf")


class Learner:
    """The mean of what it learned, beside what it is measured on; `log` holds what every one of them was given."""

    log: ClassVar[list[tuple[str, Any]]] = []

    def __init__(self, *, fit_count: Annotated[int, Field(ge=1)] | None = None, note: str = "") -> None:
        self.learned: list[float] = []
        self.mean = float("nan")
        self.seen: list[float] = []

    def fit(self, examples: Tensor | None = None, more: Tensor | None = None) -> None:
        assert examples is not None
        self.log.append(("fit", examples.clone()))
        self.learned += examples.flatten(1).mean(1).tolist()

    def fitted(self) -> None:
        self.log.append(("fitted", len(self.learned)))
        self.mean = float(np.mean(self.learned))

    def update(self, of: Tensor, to: Tensor | None = None) -> None:
        self.log.append(("update", of.clone()))
        self.seen += of.flatten(1).mean(1).tolist()

    def compute(self) -> dict[str, Any]:
        return {"learned": self.mean, "seen": torch.tensor(self.seen)}


class Forms:
    """Parts of every form, or a wrong one."""

    def __init__(self, *, form: str = "all") -> None:
        self.form = form

    def update(self, of: Tensor) -> None:
        """Nothing is kept."""

    def compute(self) -> Any:
        each = np.arange(10.0)
        right = {"number": 2.5, "tensor": torch.from_numpy(each), "array": each, "pair": (4.0, (3.0, 6.0)),
                 "bare": (5.0, None), "endless": (1.0, (0.0, float("inf")))}  # fmt: skip
        wrong = {"text": "x", "matrix": np.zeros((2, 2)), "empty": np.zeros(0), "triple": (1.0, 2.0, 3.0)}
        return right if self.form == "all" else {"part": wrong[self.form]}

    def warnings(self) -> Any:
        return ["a set of toys"] if self.form == "all" else "no list"


class Absent:
    """A metric whose weights are not there."""

    def __init__(self, *, reason: str | None = "its weights are not at X. Get Y") -> None:
        self.reason = reason

    def unavailable(self) -> Any:
        return self.reason

    def update(self, of: Tensor) -> None:
        assert self.reason is None

    def compute(self) -> float:
        return 1.0


class Painter(nn.Module):
    """A grey picture for each latent."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.3))

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.a * z[:, :1, None, None]).expand(-1, 3, SIZE, SIZE)


def painter(z: Vector, /, *, makes: Image) -> nn.Module:
    """A generator that sees no data."""
    return Painter()


class Normal:
    """A latent."""

    def __init__(self, *, size: int = 3) -> None:
        self.spec = Vector(size)

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        return torch.randn(count, self.spec.size, generator=generator, device=device)


class Noise(nn.Module):
    """Adds noise."""

    def forward(self, value: Tensor, /) -> Tensor:
        return value + torch.randn_like(value)


PARTS = {
    "dataset": {"negatives": negatives},
    "generator": {"affine": affine, "painter": painter},
    "loss": {"l1": l1_loss},
    "latent": {"normal": Normal},
    "operation": {"noise": Noise},
    "metric": {
        "l1": l1,
        "scaled": scaled,
        "range": Range,
        "infinite": Infinite,
        "wrong_shape": wrong_shape,
        "learner": Learner,
        "forms": Forms,
        "absent": Absent,
    },
}


class Plugin:
    @hookimpl
    def translate_components(self):
        for kind, parts in PARTS.items():
            for name in parts:
                yield Component(kind=kind, name=name, target=f"{MODULE}:{kind}_{name}", summary="For tests.")


@pytest.fixture(scope="session")
def catalogue():
    module = types.ModuleType(MODULE)
    for kind, parts in PARTS.items():
        for name, part in parts.items():
            setattr(module, f"{kind}_{name}", part)
    sys.modules[MODULE] = module
    manager = PluginManager()
    manager.register(Plugin(), name="test", distribution="test-plugin", version="1.0")
    yield manager.catalogue
    del sys.modules[MODULE]


@dataclass
class Run:
    """What `translate.training.opening.open_trained` gives, as far as evaluation reads it."""

    pipeline: Any
    game: Any
    run_folder: Path
    checkpoint: Path
    step: int = 500
    manifest: dict[str, Any] = field(default_factory=dict)


PIPELINE: dict[str, Any] = {
    "data": {"dataset": "negatives", "image_size": SIZE},
    "networks": {"G": {"generator": "affine", "makes": "target"}},
    "flow": {"fake": "G(source)"},
    "losses": {"reconstruction": {"loss": "l1", "of": "fake", "to": "target"}},
    "training": {"observers": []},
    "preview": ["source", "fake", "target"],
    "evaluation": {
        "metrics": {"l1": {"metric": "l1", "of": "fake", "to": "target"}},
        "baseline": {"by": "source", "give": "target", "instead_of": "fake"},
    },
}


@pytest.fixture
def opened(catalogue, tmp_path):
    """A function that makes a run of `PIPELINE` with sections replaced."""

    def make(**sections: Any) -> Run:
        pipeline = load_pipeline(PIPELINE | sections, catalogue=catalogue)
        stream = open_stream(pipeline, "train", batch_size=1)
        game = build(pipeline, stream.fields, catalogue=catalogue)
        folder = tmp_path / "run"
        return Run(pipeline, game, folder, folder / "checkpoints" / "000500")

    return make
