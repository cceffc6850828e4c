"""Large pictures in overlapping tiles, blended where they overlap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from translate.errors import ModelFileError, UsageError
from translate.inference.pixels import Picture, as_pictures
from translate.inference.translator import Translator
from translate.pictures import Array


def translate_tiled(
    translator: Translator,
    image: Picture,
    *,
    tile: int = 512,
    overlap: int = 64,
    seed: int = 0,
    index: int = 0,
    **others: Any,
) -> Array:
    """Translate one picture tile by tile.

    Tiles have one size; the last of a row or column is moved back to fit. Where they overlap, each one's weight falls
    linearly towards its border. Besides the picture and the result only one row of tiles is in memory. What a network
    sees is the tile: one that takes statistics of the whole picture (per-image normalisation) gives each tile its own.

    Args:
        translator: The file.
        image: One picture: a path, a Pillow image, or an array H x W or H x W x C.
        tile: Height and width of a tile, in pixels of the picture. Smaller pictures are one tile of their own size.
        overlap: Pixels that neighbours share, less than half a tile.
        seed: Seed of latents; all tiles get the same.
        index: Number of the picture, for its latents.
        **others: Other inputs by name; images among them are cut likewise.

    Returns:
        H x W x C in uint8 or uint16, as the file makes them.

    Raises:
        UsageError: Tile and overlap do not fit together, or several pictures are given.
        ModelFileError: The file's output has not the size of its input, or is no picture.
    """
    if tile < 1 or not 0 <= 2 * overlap < tile:
        raise UsageError(
            f"a tile of {tile} cannot overlap by {overlap}", fix="give an overlap of less than half a tile"
        )
    if not translator.images or not translator.makes_pictures:
        raise ModelFileError("tiles are for files that make pictures from pictures", where=str(translator.file))
    if any(info.law is not None and info.name not in others for info in translator.inputs):
        others |= _drawn(translator, others, seed, index)
    pictures = _cut_inputs(translator, image, others)
    rest = {name: value for name, value in others.items() if name not in pictures}
    return _Tiling(translator, pictures, rest, tile, overlap).result()


def _drawn(translator: Translator, others: Mapping[str, Any], seed: int, index: int) -> dict[str, Any]:
    return {
        info.name: info.draw([index], seed)[0]
        for info in translator.inputs
        if info.law is not None and info.name not in others
    }


def _cut_inputs(translator: Translator, image: Picture, others: Mapping[str, Any]) -> dict[str, Array]:
    pictures: dict[str, Array] = {}
    for number, info in enumerate(translator.images):
        source = image if number == 0 else others.get(info.name)
        if source is None:
            raise UsageError(f"the image input '{info.name}' is not given", where=str(translator.file))
        found, _ = as_pictures(source, info.channels, info.dtype)
        if len(found) != 1:
            raise UsageError("tiles are cut from one picture at a time")
        pictures[info.name] = found[0]
    if len({picture.shape[:2] for picture in pictures.values()}) > 1:
        raise UsageError("the image inputs have different sizes, so that they cannot be cut alike")
    return pictures


class _Tiling:
    """One picture on its way through a file."""

    def __init__(
        self, translator: Translator, pictures: Mapping[str, Array], rest: Mapping[str, Any], tile: int, overlap: int
    ) -> None:
        self.translator, self.pictures, self.rest = translator, pictures, rest
        height, width = next(iter(pictures.values())).shape[:2]
        self.dtype = np.dtype(np.uint8)  # until the first tile is there
        self.rows, self.columns = _Axis(height, tile, overlap), _Axis(width, tile, overlap)

    def result(self) -> Array:
        """Blend row after row; what no later row touches goes into the result."""
        rows, columns = self.rows, self.columns
        output = np.empty((rows.length, columns.length, 0), self.dtype)
        pending = np.zeros((0, columns.length, 1), np.float32)
        for number, top in enumerate(rows.starts):
            strip = self._strip(top) * rows.shares(top)[:, None, None]
            if number == 0:
                output = np.empty((rows.length, columns.length, strip.shape[2]), self.dtype)
            shared = len(pending)
            if shared:
                strip[:shared] += pending
            end = rows.starts[number + 1] if number + 1 < len(rows.starts) else top + rows.tile
            output[top:end] = np.clip(np.rint(strip[: end - top]), 0, np.iinfo(self.dtype).max)
            pending = strip[end - top :]
        return output

    def _strip(self, top: int) -> Array:
        """One row of tiles, blended across."""
        columns = self.columns
        strip = np.zeros((self.rows.tile, columns.length, 0), np.float32)
        for left in columns.starts:
            made = self._tile(top, left)
            self.dtype = made.dtype
            if left == columns.starts[0]:
                strip = np.zeros((self.rows.tile, columns.length, made.shape[2]), np.float32)
            strip[:, left : left + columns.tile] += made * columns.shares(left)[None, :, None]
        return strip

    def _tile(self, top: int, left: int) -> Array:
        bottom, right = top + self.rows.tile, left + self.columns.tile
        parts = {name: picture[top:bottom, left:right] for name, picture in self.pictures.items()}
        first, *more = parts
        others: dict[str, Any] = {**{name: parts[name] for name in more}, **self.rest}
        made = self.translator(parts[first], **others)
        if made.shape[:2] != (self.rows.tile, self.columns.tile):
            raise ModelFileError(
                f"tiles need an output of the input's size, but a tile of {self.rows.tile}x{self.columns.tile} became"
                f" {made.shape[0]}x{made.shape[1]}",
                where=str(self.translator.file),
                fix="leave --tile out",
            )
        return made


class _Axis:
    """Where the tiles lie on one axis, and how they share it."""

    def __init__(self, length: int, tile: int, overlap: int) -> None:
        self.length, self.tile = length, min(tile, length)
        self.starts = list(_starts(length, self.tile, overlap))
        ramp = np.minimum(np.arange(1, self.tile + 1), np.arange(self.tile, 0, -1)) / (overlap + 1)
        self._ramp = np.minimum(ramp, 1.0).astype(np.float32)
        self._total = np.zeros(length, np.float32)
        for start in self.starts:
            self._total[start : start + self.tile] += self._ramp

    def shares(self, start: int) -> Array:
        """How much of each pixel the tile that starts here decides; over all tiles they sum to one."""
        shares: Array = self._ramp / self._total[start : start + self.tile]
        return shares


def _starts(length: int, tile: int, overlap: int) -> Iterator[int]:
    yield from range(0, length - tile, max(tile - overlap, 1))
    yield length - tile
