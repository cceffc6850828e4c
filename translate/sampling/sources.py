"""What is sampled from: an exported file, or one of the exports of a run. Both take and give the same arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from translate.errors import ModelFileError, UsageError
from translate.foreign import printable
from translate.inference.latents import written
from translate.inference.translator import InputInfo, Translator

Array = np.ndarray[Any, np.dtype[Any]]


class Source(Protocol):
    """An export that can be computed.

    Attributes:
        where: Its file, or the checkpoint.
        export: Its name; empty where a file does not say.
        step: The training's step; empty where a file does not say.
        makes_pictures: Whether the output is N x H x W x C in uint8 or uint16.
    """

    where: str
    export: str
    step: str
    makes_pictures: bool

    @property
    def inputs(self) -> Sequence[InputInfo]:
        """As in the exported file."""

    @property
    def default_output(self) -> Path:
        """Where pictures go when nobody says, without suffix."""

    def draw(self, info: InputInfo, numbers: Sequence[int], seed: int) -> Array:
        """Draws of a latent: one for each number."""

    def run(self, values: Mapping[str, Array], number: int) -> Array:
        """Compute `number` examples from all inputs."""


class FileSource:
    """An exported file, by onnxruntime.

    Args:
        file: The file.
        export: The export that it should be; None = any.
        threads: Processor threads.
        external_data: Allow weights in files beside the file, as of an export above 1.5 GB; see `Translator`.

    Raises:
        UsageError: It is another export.
        ModelFileError: It cannot be opened, or holds the bare float network.
    """

    def __init__(self, file: Path, export: str | None, threads: int | None, *, external_data: bool = False) -> None:
        self._translator = Translator(file, threads=threads, external_data=external_data)
        metadata = self._translator.metadata
        self.where = str(file)
        self.export, self.step = (printable(metadata.get(key, ""), 80) for key in ("export", "step"))
        self.makes_pictures = self._translator.makes_pictures
        if metadata.get("layout") == "float":
            what = "the file holds the bare float network, which makes no pictures"
            raise ModelFileError(what, where=self.where, fix="export it without --float")
        if export is not None and export != self.export:
            what = f"the file is the export '{self.export}', not '{export}'"
            raise UsageError(what, where=self.where, fix="give another file, or leave --export out")

    @property
    def inputs(self) -> Sequence[InputInfo]:
        """As the file says."""
        return self._translator.inputs

    @property
    def default_output(self) -> Path:
        """Beside the file."""
        file = Path(self.where)
        return file.with_name(f"{file.stem}-sample")

    def draw(self, info: InputInfo, numbers: Sequence[int], seed: int) -> Array:
        """Draw by the law that the file states."""
        try:
            return info.draw(numbers, seed)
        except ModelFileError as exc:
            what = f"the law of '{info.name}' ({written(info.law)}) is known to its component alone"
            fix = f"sample from the run, or give the values: --set {info.name}=..."
            raise ModelFileError(what, where=self.where, fix=fix) from exc

    def run(self, values: Mapping[str, Array], number: int) -> Array:
        """Compute."""
        return self._translator.run(values, number)


def open_source(source: str | Path, export: str | None, threads: int | None, *, external_data: bool = False) -> Source:
    """Open an exported file (by its suffix), a run or a checkpoint.

    Raises:
        UsageError: There is nothing there; several exports of which none is named; or external data of a run.
        ModelFileError: It is damaged.
    """
    path = Path(source)
    if path.suffix.lower() == ".onnx":
        return FileSource(path, export, threads, external_data=external_data)
    if external_data:
        raise UsageError("external data is for an exported file", where=str(path), fix="leave --external-data out")
    from translate.sampling.trained import RunSource
    from translate.training.opening import open_trained

    return RunSource(open_trained(path), export, threads)
