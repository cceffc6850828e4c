"""`sample`: from a run or a file and a request to pictures and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from translate.inference.pixels import Picture
from translate.sampling.axes import Axis
from translate.sampling.layout import Layout
from translate.sampling.output import Output, default_path
from translate.sampling.request import Request, check_numbers
from translate.sampling.sources import Source, open_source

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """What was made.

    Attributes:
        pictures: rows x columns x what one example is: height x width x channels in uint8 or uint16, or the numbers of
            an output that is no picture.
        rows: What varies along the rows; None = each row is another draw of all latents.
        columns: What varies along the columns; None = each column is another draw where the rows vary, else there is
            one column.
        description: In words: what was drawn, what was set and what varies.
        files: Written files: one, or each picture of a folder; none where nothing was to be written.
    """

    pictures: Array
    rows: Axis | None
    columns: Axis | None
    description: tuple[str, ...]
    files: tuple[Path, ...] = ()


def sample(
    source: str | Path | Source,
    *,
    output: str | Path | None = None,
    export: str | None = None,
    count: int | None = None,
    seed: int = 0,
    label: int | None = None,
    settings: Mapping[str, Any] | Sequence[str] = (),
    pictures: Mapping[str, Picture] | Sequence[str] = (),
    sweep: str | None = None,
    rows: str | None = None,
    columns: str | None = None,
    interpolate: str | None = None,
    law: str | None = None,
    frames: int | None = None,
    fps: float | None = None,
    batch: int = 16,
    threads: int | None = None,
    external_data: bool = False,
    write: bool = False,
) -> Sampled:
    """Draw latents and make pictures of them.

    Args:
        source: A run's folder, a checkpoint, or an exported file (`.onnx`).
        output: `.png` (`.jpg`, `.webp`) for a grid, `.gif` for a film, `.npy` for the values, another name for a folder
            of single pictures. None = nothing is written, or with `write` the grid beside the run or file.
        export: Which of a run's exports.
        count: Draws: pictures of a plain grid (64 by default), rows beside columns, columns beside rows, or the draws
            that an axis goes through (8). Not where both rows and columns vary without draws.
        seed: Of all draws.
        label: Value of the one label that the export takes.
        settings: Values of inputs, as `{"psi": 0.7, "z[3]": 1.0, "c": 2}` or `["psi=0.7", ...]`; a class for labels
            and one-hot codes, one number for all elements, or as many as there are.
        pictures: Of the image inputs by name, or files as `["photo.png"]` or `["source=photo.png"]`.
        sweep: What varies along the columns, as `columns`.
        rows: What varies along the rows: `c`, `c=0,3`, `code[0]`, `code[0]=-2:2:10`, `z` (draws).
        columns: The same along the columns.
        interpolate: The latent that goes from each row's draw to the next along the columns.
        law: slerp or linear; None = slerp where the latent is normal or on a sphere, else linear.
        frames: Of an interpolation, both ends included; 16 by default.
        fps: Pictures a second of a film; None = 12 where neighbours are near each other, else 2.
        batch: Examples that are computed together.
        threads: Processor threads.
        external_data: Allow a file with weights in files beside it; see `Translator`.
        write: Write a file though `output` says none.

    Raises:
        UsageError: The request does not fit the export; lists its inputs.
        DataError: A picture cannot be read.
        ModelFileError: The source is damaged, or its latents cannot be drawn.
        MachineError: The output cannot be written.
    """
    request = Request(
        count=count,
        seed=seed,
        label=label,
        settings=settings,
        pictures=pictures,
        sweep=sweep,
        rows=rows,
        columns=columns,
        interpolate=interpolate,
        law=law,
        frames=frames,
    )
    check_numbers(request, batch, threads)
    opened = source
    if isinstance(opened, str | Path):
        opened = open_source(opened, export, threads, external_data=external_data)
    target = default_path(opened) if output is None and write else None if output is None else Path(output)
    place = None if target is None else Output(target, fps=fps, makes_pictures=opened.makes_pictures)
    layout = Layout(opened, request)
    made = layout.run(batch)
    files = () if place is None else place.write(made, layout.rows, layout.columns)
    return Sampled(
        pictures=made, rows=layout.rows, columns=layout.columns, description=layout.description(made), files=files
    )
