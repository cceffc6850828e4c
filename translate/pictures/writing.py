"""Writing pictures, whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from translate.disk import write_whole
from translate.errors import DataError, MachineError
from translate.pictures.arrays import encode_array, is_writable
from translate.pictures.channels import CONVERTIBLE, Array
from translate.pictures.deep import encode_png
from translate.pictures.opening import shown

_WRITERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True}),
}
_ARRAY: Final = ".npy"


def suffix_for(channels: int) -> str:
    """The suffix of a file that holds so many channels without loss: `.png`, or `.npy` where PNG has no such colour."""
    return ".png" if channels in CONVERTIBLE else _ARRAY


def write_picture(path: str | os.PathLike[str], array: Array) -> None:
    """Write a picture; whoever looks at the path finds the old file or the complete new one, never a part.

    PNG and WebP are lossless (WebP has no grey: it reads back as RGB), JPEG is written at quality 95 without chroma
    subsampling. An array is numpy's own file.

    Args:
        path: The file; its suffix says the format: .png, .jpg, .jpeg, .webp or .npy.
        array: H x W or H x W x C. Pictures have 1, 3 or 4 channels in uint8, or in uint16 (PNG only); arrays any number
            in uint8, uint16, or float32 in [0, 1].

    Raises:
        DataError: The suffix is unknown, or the format cannot hold the array.
        MachineError: The file cannot be written. Says what was needed and what is free.
        ValueError: The array is not a picture.
    """
    target = Path(path)
    pixels = array[:, :, None] if array.ndim == 2 else array
    if not is_writable(pixels):
        msg = f"not a picture: shape {array.shape}, {array.dtype} (H x W x C in uint8, uint16 or float32)"
        raise ValueError(msg)
    suffix = target.suffix.lower()
    if suffix != _ARRAY and suffix not in _WRITERS:
        what = f"pictures are not written as '{target.suffix}'"
        raise DataError(what, where=shown(target), fix=f"use one of {', '.join([*_WRITERS, _ARRAY])}")
    write_content(target, encode_array(pixels) if suffix == _ARRAY else _encoded(target, pixels))


def _encoded(target: Path, pixels: Array) -> bytes:
    name, options = _WRITERS[target.suffix.lower()]
    channels, deep = pixels.shape[2], pixels.dtype == np.uint16
    if pixels.dtype == np.float32 or channels not in CONVERTIBLE:
        text = "floating-point numbers" if pixels.dtype == np.float32 else f"{channels} channels"
        raise DataError(f"{name} cannot hold {text}", where=shown(target), fix="write .npy")
    if deep and name != "PNG":
        raise DataError(f"{name} cannot hold 16 bits", where=shown(target), fix="write .png")
    if channels == 4 and name == "JPEG":
        raise DataError("JPEG cannot hold an alpha channel", where=shown(target), fix="write .png or .webp")
    if deep and channels > 1:
        return encode_png(pixels)
    content = io.BytesIO()
    plain = np.ascontiguousarray(pixels[:, :, 0] if channels == 1 else pixels)
    try:
        Image.fromarray(plain).save(content, format=name, **options)
    except (OSError, ValueError) as exc:  # such as sides beyond what WebP can hold
        what = f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels cannot be written as {name} ({exc})"
        raise DataError(what, where=shown(target), fix="write PNG") from exc
    return content.getvalue()


def write_content(target: Path, content: bytes) -> None:
    """Write the content of a picture whole or not at all.

    Raises:
        MachineError: The file cannot be written.
    """
    try:
        if target.exists() and not target.is_file():
            raise MachineError("the output is a folder or a special file", where=shown(target), fix="give another name")
        write_whole(target, [content])
    except OSError as exc:
        what = f"the picture cannot be written ({exc.strerror or exc}); {len(content)} bytes needed{_free(target)}"
        fix = "check that the folder exists, may be written, and has room"
        raise MachineError(what, where=shown(target), fix=fix) from exc


def _free(target: Path) -> str:
    try:
        return f", {shutil.disk_usage(target.parent).free} free"
    except OSError:
        return ""
