"""An export that shows what it is given, and a run with the files exported from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import sampled_run

from translate.inference import InputInfo


class Echo:
    """Notes what it is asked for; its pictures are 4 x 6 and have the number of the example everywhere."""

    def __init__(self, inputs: Sequence[InputInfo], channels: int = 1, dtype: str = "uint8") -> None:
        self.where, self.export, self.step = "echo.onnx", "echo", "7"
        self.inputs, self.makes_pictures = inputs, True
        self.default_output = Path("echo-sample")
        self.channels, self.dtype = channels, dtype
        self.given: dict[str, list[np.ndarray]] = {}
        self.batches: list[int] = []

    def draw(self, info: InputInfo, numbers: Sequence[int], seed: int) -> np.ndarray:
        return info.draw(list(numbers), seed)

    def run(self, values: Mapping[str, np.ndarray], number: int) -> np.ndarray:
        first = sum(self.batches)
        self.batches.append(number)
        for name, value in values.items():
            assert len(value) == number
            self.given.setdefault(name, []).append(value)
        count = np.arange(first, first + number)[:, None, None, None]
        return np.broadcast_to(count, (number, 4, 6, self.channels)).astype(self.dtype)

    def seen(self, name: str, rows: int) -> np.ndarray:
        """Values of an input, rows x columns x shape."""
        flat = np.concatenate(self.given[name])
        return flat.reshape(rows, -1, *flat.shape[1:])


def latent(name: str, size: int | tuple[int, ...], /, **law: object) -> InputInfo:
    shape = (size,) if isinstance(size, int) else size
    kind = "vector" if len(shape) == 1 else "tensor"
    return InputInfo(name=name, kind=kind, dtype="float32", shape=(None, *shape), law={"name": "normal", **law})


def label(name: str = "label", classes: int | None = 4) -> InputInfo:
    return InputInfo(name=name, kind="label", dtype="int64", shape=(None,), classes=classes)


@pytest.fixture
def z() -> InputInfo:
    return latent("z", 3)


@pytest.fixture
def c() -> InputInfo:
    return latent("c", 5, name="categorical", classes=5)


@pytest.fixture
def style() -> InputInfo:
    return latent("style", 2, name="uniform", low=0.0, high=0.5)


@pytest.fixture
def psi() -> InputInfo:
    return latent("psi", 1, name="constant", value=0.7)


@pytest.fixture
def tools():
    """The functions of this file that make inputs and exports."""
    return {"echo": Echo, "latent": latent, "label": label}


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    return sampled_run.train(tmp_path_factory.mktemp("sampled"))


@pytest.fixture(scope="session")
def both(run, tmp_path_factory):
    """A run's exports by name: computed by PyTorch, and by onnxruntime from the exported file."""
    from translate.exporting import export_report
    from translate.sampling.sources import FileSource
    from translate.sampling.trained import RunSource

    opened, folder = sampled_run.lively(run), tmp_path_factory.mktemp("files")
    made = {}
    for name in ("make", "edit"):
        file = export_report(opened, name=name, output=folder / f"{name}.onnx").file
        made[name] = (RunSource(opened, name), FileSource(file, None, None))
    return made
