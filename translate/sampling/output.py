"""Files of sampled pictures: a grid, a film, single pictures, or the values.

| output | what it holds |
|---|---|
| `.png`, `.jpg`, `.webp` | a grid, 8 bits RGB, small pictures enlarged, as `translate.grids` shows any channels |
| `.png` of one picture | that picture as the export makes it, of 1, 3 or 4 channels, also in 16 bits |
| `.gif` | a film of the columns: each frame is a grid of the rows; there and back where neighbours are alike |
| `.npy` | the values as the export makes them: rows x columns x shape; N x shape where nothing varies |
| another name | a folder: each picture as the export makes it, as `translate run` writes them |

A film without columns has one picture of the grid a frame. GIF holds 256 colours a frame, and joins equal frames.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from translate.errors import MachineError, UsageError
from translate.grids import GAP, as_rgb, picture_grid
from translate.pictures import shown, suffix_for, write_picture
from translate.pictures.arrays import encode_array
from translate.pictures.writing import write_content
from translate.sampling.axes import Axis
from translate.sampling.sources import Source

Array = np.ndarray[Any, np.dtype[Any]]

GRIDS: Final = (".png", ".jpg", ".jpeg", ".webp")
FILM: Final = ".gif"
VALUES: Final = ".npy"
SMOOTH_RATE: Final = 12.0
STEP_RATE: Final = 2.0
SLOWEST: Final = 0.01  # GIF holds delays of up to 655 seconds
FASTEST: Final = 50.0  # what GIF players show: delays are in hundredths of a second, below two of which many slow down
WHITE: Final = 255


def default_path(source: Source) -> Path:
    """Where the pictures of an export go when nobody says."""
    stem = source.default_output
    return stem.with_name(f"{stem.name}{'.png' if source.makes_pictures else VALUES}")


class Output:
    """Where to, and in which form; refuses what cannot work before anything is computed.

    Args:
        path: See the module's text.
        fps: Frames a second of a film; None = 12 where neighbours are near each other, else 2.
        makes_pictures: Whether the export does.

    Raises:
        UsageError: The suffix is unknown, the export makes no pictures, or `fps` is out of range or for no film.
    """

    def __init__(self, path: Path, *, fps: float | None, makes_pictures: bool) -> None:
        self.path, self.fps = path, fps
        self.suffix = "" if path.is_dir() else path.suffix.lower()
        if self.suffix not in {"", FILM, VALUES, *GRIDS}:
            known = ", ".join([*GRIDS, FILM, VALUES])
            raise UsageError(f"samples are not written as '{path.suffix}'", fix=f"--output with {known}, or a folder")
        if not makes_pictures and self.suffix != VALUES:
            what = "the export's output is no picture (uint8 or uint16 N x H x W x C), but numbers"
            name = shown(path / f"values{VALUES}") if path.is_dir() else path.with_suffix(VALUES).name
            raise UsageError(what, where=shown(path), fix=f"--output {name}")
        if path.is_file() and not self.suffix:
            raise UsageError("the output is a file, not a folder", where=shown(path), fix="give another --output")
        if path.is_dir() and path.suffix.lower() in {FILM, VALUES, *GRIDS}:
            raise UsageError("the output is a folder, not a file", where=shown(path), fix="give another --output")
        if fps is not None and (self.suffix != FILM or not SLOWEST <= fps <= FASTEST):
            wrong = f"--fps must be at least {SLOWEST:g} and at most {FASTEST:g} (got {fps:g})"
            raise UsageError(wrong if self.suffix == FILM else "--fps is for films", fix="--output FILE.gif --fps 12")

    def write(self, made: Array, rows: Axis | None, columns: Axis | None) -> tuple[Path, ...]:
        """Write what was sampled.

        Args:
            made: rows x columns x shape of one example.
            rows: What varies along the rows.
            columns: What varies along the columns.

        Returns:
            The file, or the pictures in the folder.

        Raises:
            MachineError: It cannot be written.
        """
        plain = rows is None and columns is None
        folder = self.path.parent if self.suffix else self.path
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise MachineError(f"the folder cannot be made ({exc.strerror})", where=shown(folder)) from exc
        if not self.suffix:
            return self._single(made, plain)
        if self.suffix == VALUES:
            write_content(self.path, encode_array(made[:, 0] if plain else made))
        elif self.suffix == FILM:
            write_content(self.path, self._film(made, columns))
        else:
            write_picture(self.path, self._grid(made, columns, plain))
        return (self.path,)

    def _single(self, made: Array, plain: bool) -> tuple[Path, ...]:
        suffix, files = suffix_for(made.shape[-1]), []
        for row in range(made.shape[0]):
            for column in range(made.shape[1]):
                name = f"{row:04d}" if plain else f"row{row:03d}-column{column:03d}"
                files.append(self.path / f"{name}{suffix}")
                write_picture(files[-1], made[row, column])
        return tuple(files)

    def _grid(self, made: Array, columns: Axis | None, plain: bool) -> Array:
        if made.shape[:2] == (1, 1) and self.suffix == ".png" and suffix_for(made.shape[-1]) == ".png":
            picture: Array = made[0, 0]
            return picture
        if plain:
            return tiled(made[:, 0])
        titles = columns.titles if columns is not None else [str(number) for number in range(made.shape[1])]
        named = {
            title if titles.count(title) == 1 else f"{title} ({number})": _colours(made[:, number])
            for number, title in enumerate(titles)
        }
        return picture_grid(named, titles=columns is not None)

    def _film(self, made: Array, columns: Axis | None) -> bytes:
        frames = [tiled(made[:, step]) for step in range(made.shape[1])]
        if made.shape[1] == 1:
            frames = [tiled(made[row]) for row in range(made.shape[0])]
        smooth = columns is not None and columns.smooth
        if smooth:
            frames += frames[-2:0:-1]
        delay = 10 * round(100 / (self.fps or (SMOOTH_RATE if smooth else STEP_RATE)))
        return film(frames, delay)


def tiled(pictures: Array) -> Array:
    """Pictures side by side, about as many rows as columns; one by itself has no border.

    Args:
        pictures: N x H x W x C.

    Shape:
        height x width x 3, uint8.
    """
    shades = _colours(pictures)
    across = math.isqrt(len(shades) - 1) + 1
    down = -(-len(shades) // across)
    missing = across * down - len(shades)
    filled = np.concatenate([shades, np.full((missing, *shades.shape[1:]), WHITE, np.uint8)])
    grid = picture_grid({str(place): filled[place::across] for place in range(across)}, titles=False)
    return grid if len(shades) > 1 else grid[GAP:-GAP, GAP:-GAP]


def film(frames: Sequence[Array], delay: int) -> bytes:
    """A GIF that goes on and on.

    Args:
        frames: height x width x 3, uint8.
        delay: Milliseconds a frame.
    """
    pictures = []
    for frame in frames:
        grey = bool((frame == frame[..., :1]).all())  # 256 greys are kept to the bit
        picture = Image.fromarray(np.ascontiguousarray(frame[..., 0]) if grey else frame)
        pictures.append(picture if grey else picture.quantize(256, dither=Image.Dither.NONE))
    content = io.BytesIO()
    first, *rest = pictures
    first.save(content, format="GIF", save_all=True, append_images=rest, duration=delay, loop=0, disposal=2)
    return content.getvalue()


def _colours(pictures: Array) -> Array:
    return np.stack([as_rgb(picture) for picture in pictures])
