"""One of the exports of a run, computed by PyTorch as it would be exported. Imports torch."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from translate import specs
from translate.errors import ModelFileError
from translate.exporting.graph import traced_module
from translate.exporting.metadata import describe_input
from translate.exporting.plan import PIXELS, Plan, choose_export, export_names, make_plan
from translate.inference.translator import InputInfo, input_info
from translate.training.opening import Opened

Array = np.ndarray[Any, np.dtype[Any]]


class RunSource:
    """See `translate.sampling.sources.Source`.

    Args:
        opened: The run.
        export: Which of its exports; None = the only one, or the only one that needs no picture.
        threads: Processor threads; None = as many as torch sees fit.

    Raises:
        UsageError: There is no such export, or several of which none is named.
        PipelineError: The export cannot work.
    """

    def __init__(self, opened: Opened, export: str | None, threads: int | None = None) -> None:
        drawn = [name for name in export_names(opened.game) if not _takes_pictures(opened, name)]
        name = choose_export(opened.game, export, option="--export", usual=drawn)
        plan = make_plan(opened.game, name, opened.step)
        self._plan, self._threads = plan, threads
        self._module = traced_module(plan, float_only=False)
        self._folder = opened.run_folder
        self.where, self.export, self.step = str(opened.checkpoint), plan.name, str(plan.step)
        self._inputs = tuple(_info(plan, name, self.where) for name in plan.inputs)
        self.makes_pictures = plan.kind == "image" and plan.range is not None

    @property
    def inputs(self) -> Sequence[InputInfo]:
        """As the file would say."""
        return self._inputs

    @property
    def default_output(self) -> Path:
        """In the run's folder."""
        return self._folder / f"sample-{self.export}-{self.step}"

    def draw(self, info: InputInfo, numbers: Sequence[int], seed: int) -> Array:
        """Draw as from the exported file; by the latent's component where its law is known to it alone."""
        try:
            return info.draw(numbers, seed)
        except ModelFileError:
            latent, key = self._plan.game.latents[info.name], zlib.crc32(info.name.encode())
        drawn = []
        for number in numbers:
            state = int(np.random.default_rng([seed, number, key]).integers(2**63))
            generator = torch.Generator().manual_seed(state)
            drawn.append(latent.sample(1, generator=generator, device=torch.device("cpu")).numpy())
        return np.concatenate(drawn)

    def run(self, values: Mapping[str, Array], number: int) -> Array:
        """Compute."""
        del number
        before = torch.get_num_threads()
        given = [torch.from_numpy(np.ascontiguousarray(values[name])) for name in self._plan.inputs]
        try:
            torch.set_num_threads(self._threads or before)
            with torch.no_grad():
                made: Array = self._module(*given).numpy()
        finally:
            torch.set_num_threads(before)
        return made


def _info(plan: Plan, name: str, where: str) -> InputInfo:
    spec = plan.inputs[name]
    described = describe_input(plan, name, float_only=False)
    if not isinstance(spec, specs.Image):
        return input_info(name, spec.dtype, (None, *spec.shape), described, where=where)
    free = plan.free_size and plan.follows(name)
    size = (None, None) if free else (spec.height, spec.width)
    dtype = str(PIXELS[spec.bits]).removeprefix("torch.")
    return input_info(name, dtype, (None, *size, spec.channels), described, where=where)


def _takes_pictures(opened: Opened, name: str) -> bool:
    fields = opened.game.fields
    return any(isinstance(fields.get(item), specs.Image) for item in opened.game.pipeline.exports[name].inputs)
