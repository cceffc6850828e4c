"""Reading and listing pictures; the rules are those of `translate.pictures`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np

# Imported by name, so that Image.open finds them without loading every other decoder that Pillow has.
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from translate.errors import DataError
from translate.pictures.arrays import is_array, read_array, read_header
from translate.pictures.channels import Array, as_channels, check_channels, over_white
from translate.pictures.deep import deep_colour, is_deep_colour
from translate.pictures.opening import SUFFIXES, opened, pixel_limit, shown, silence_libtiff, too_large

_PLUGINS: Final = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile,
    TiffImagePlugin.TiffImageFile,
    GifImagePlugin.GifImageFile,
    PpmImagePlugin.PpmImageFile,
    Jpeg2KImagePlugin.Jpeg2KImageFile,
    AvifImagePlugin.AvifImageFile,
    IcoImagePlugin.IcoImageFile,
)
FORMATS: Final = tuple(plugin.format for plugin in _PLUGINS)


class PictureInfo(NamedTuple):
    """What the header of a picture says.

    Attributes:
        height: In pixels, upright.
        width: In pixels, upright.
        channels: As `read_picture` returns them when it is not asked for a number.
        bits: 16 where `read_picture` returns more than 8 bits (uint16, or float32 from an array), else 8.
    """

    height: int
    width: int
    channels: int
    bits: int


def list_pictures(folder: str | os.PathLike[str]) -> list[Path]:
    """List the files of a folder that have an accepted suffix, by name.

    Not recursive. Hidden files (also the `._` companions that macOS leaves) are skipped. Broken links, links in a
    ring and special files are listed: reading them fails by name, while leaving them out would make a picture vanish
    silently.

    Raises:
        DataError: The folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_listed(entry)]
    except OSError as exc:
        raise DataError(f"the folder cannot be listed ({exc.strerror})", where=shown(folder)) from exc
    return [Path(folder) / name for name in sorted(names)]


def _is_listed(entry: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    if entry.name.startswith(".") or suffix not in SUFFIXES:
        return False
    try:
        return not entry.is_dir()
    except OSError:  # links that lead to one another
        return True


def read_picture(path: str | os.PathLike[str], *, channels: int | None = None, max_pixels: int | None = None) -> Array:
    """Read a picture by the rules of `translate.pictures`.

    Args:
        path: The file.
        channels: How many are wanted; as the file has (a picture without alpha) when not given.
        max_pixels: Larger pictures are refused on their header, before anything is decoded; see `pixel_limit` for what
            holds when it is not given.

    Shape:
        H x W x channels, uint8 or uint16; from an array also float32 in [0, 1].

    Raises:
        DataError: The file is missing, not a regular file, not an accepted format, too large, damaged, of a mode that
            is refused, or has not the channels that are wanted. Names the file.
        UsageError: No limit is given, and the environment variable that sets one says no number.
        ValueError: `channels` is below 1.
    """
    check_channels(channels)
    limit = pixel_limit() if max_pixels is None else max_pixels
    with opened(path, limit) as file:
        if is_array(file):
            array = read_array(file, shown(path), limit)
        else:
            array = _decoded(file, path, limit, keep_alpha=channels == 4)
    return as_channels(array, channels, where=shown(path))


def picture_info(path: str | os.PathLike[str], *, max_pixels: int | None = None) -> PictureInfo:
    """What `read_picture` would return, from the header alone.

    Raises:
        DataError: As `read_picture`, as far as the header shows it.
        UsageError: As `read_picture`.
    """
    limit = pixel_limit() if max_pixels is None else max_pixels
    with opened(path, limit) as file:
        if is_array(file):
            header = read_header(file, shown(path), limit)
            return PictureInfo(*header.shape, bits=8 if header.dtype == np.uint8 else 16)
        with _image(file, path, limit) as image:
            _refuse_floats(image.mode, path)
            width, height = image.size
            deep = image.mode.startswith("I") or is_deep_colour(image)  # before anything loads the picture
            # Pillow turns TIFF by itself and has already exchanged the two.
            if image.format != "TIFF" and _orientation(image, file) in {5, 6, 7, 8}:
                width, height = height, width
            if image.format == "ICO":
                image.load()
            grey = image.mode in {"1", "L", "LA", "La"} or image.mode.startswith(("I", "F"))
            return PictureInfo(height, width, 1 if grey else 3, bits=16 if deep else 8)


def probe_picture(path: str | os.PathLike[str], *, max_pixels: int | None = None) -> tuple[int, int, int]:
    """Height, width and channels of `picture_info`.

    Raises:
        DataError: As `picture_info`.
        UsageError: As `picture_info`.
    """
    return picture_info(path, max_pixels=max_pixels)[:3]


def _orientation(image: Image.Image, file: BinaryIO) -> int:
    """As Pillow finds it, but without decoding a PNG for it: that may say it after the pixels, and seldom does."""
    early = image.format == "PNG" and not _tells_later(file)
    exif = Image.Image.getexif(image) if early else image.getexif()
    return int(exif.get(0x0112, 1))


def _tells_later(file: BinaryIO) -> bool:
    """Whether a PNG holds texts or EXIF after its pixels."""
    place, pixels, later = file.tell(), False, False
    file.seek(8)
    while not later and len(head := file.read(8)) == 8:
        kind = head[4:]
        pixels |= kind == b"IDAT"
        later = pixels and kind in {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}
        if kind == b"IEND":
            break
        file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    file.seek(place)
    return later


@contextmanager
def _image(file: BinaryIO, path: str | os.PathLike[str], max_pixels: int) -> Iterator[Image.Image]:
    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:
        if image.format == "TIFF":
            silence_libtiff()
        if image.width * image.height > max_pixels:
            raise too_large(shown(path), image.size, max_pixels)
        yield image


def _decoded(file: BinaryIO, path: str | os.PathLike[str], max_pixels: int, *, keep_alpha: bool) -> Array:
    with _image(file, path, max_pixels) as image:
        if is_deep_colour(image):
            colour = deep_colour(image, file)
            return over_white(colour) if colour.shape[2] == 4 and not keep_alpha else colour
        image.load()
        if image.width * image.height > max_pixels:  # an ICO may hold another size than it declares
            raise too_large(shown(path), image.size, max_pixels)
        ImageOps.exif_transpose(image, in_place=True)
        return _pixels(image, path, keep_alpha=keep_alpha)


def _pixels(image: Image.Image, path: str | os.PathLike[str], *, keep_alpha: bool) -> Array:
    mode = image.mode
    _refuse_floats(mode, path)
    if mode.startswith("I"):
        return _deep_grey(image, path, keep_alpha=keep_alpha)
    has_alpha = mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info
    grey = mode in {"1", "L", "LA", "La"}
    if has_alpha:
        array = np.asarray(image.convert("RGBA"))
        flat = array if keep_alpha else over_white(array)
        # A grey with a transparent colour that is not grey cannot be: the three channels are equal.
        return flat if keep_alpha or not grey else np.ascontiguousarray(flat[:, :, :1])
    array = np.array(image.convert("L" if grey else "RGB"))
    return array[:, :, None] if grey else array


def _refuse_floats(mode: str, path: str | os.PathLike[str]) -> None:
    if mode == "F":
        fix = "save it as 8-bit or 16-bit integers, or as a float32 array with values in [0, 1] (.npy)"
        raise DataError("pictures of floating-point numbers have no stated white", where=shown(path), fix=fix)


def _deep_grey(image: Image.Image, path: str | os.PathLike[str], *, keep_alpha: bool) -> Array:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        what = f"the values of the picture lie in {low} to {high}, beyond 16 bits"
        raise DataError(what, where=shown(path), fix="save it with 16 bits per sample")
    array = values.astype(np.uint16)[:, :, None]
    bits = _declared_bits(image)
    if bits < 16:
        array = (array.astype(np.uint32) * 65535 // (2**bits - 1)).astype(np.uint16)
    transparent = image.info.get("transparency")
    if not isinstance(transparent, int):
        return array
    clear = array == transparent
    if keep_alpha:
        return np.concatenate([np.repeat(array, 3, axis=2), np.where(clear, 0, 65535).astype(np.uint16)], axis=2)
    return np.where(clear, 65535, array).astype(np.uint16)


def _declared_bits(image: Image.Image) -> int:
    bits = getattr(image, "tag_v2", {}).get(TiffImagePlugin.BITSPERSAMPLE, 16)
    return int(bits[0] if isinstance(bits, tuple) else bits)
