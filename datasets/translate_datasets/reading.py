"""Reading pictures for datasets: channels, depth and size from the data, and a cache of decoded pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field

from translate import Image
from translate.data import Array, DataRequest
from translate.errors import DataError
from translate.pictures import PictureInfo, picture_info, read_picture

Channels = Annotated[int, Field(ge=1)] | None
CacheSize = Annotated[int, Field(ge=0)]

_LOOKED_AT: Final = 64  # headers, spread over the list: some hundredths of a second


def look_at(paths: Sequence[Path], request: DataRequest) -> list[PictureInfo]:
    """The headers of some pictures: the first, and others spread over the list.

    Args:
        paths: The files.
        request: Says whether files that are no pictures are passed over; then the first is the first good one. Told of
            them where none is good.

    Raises:
        DataError: One of them is no picture, or where these are passed over, all are none.
    """
    step = max(1, len(paths) // _LOOKED_AT)
    infos, errors = [], []
    for path in paths[::step][:_LOOKED_AT]:
        try:
            infos.append(picture_info(path))
        except DataError as exc:
            if not request.skip_bad:
                raise
            errors.append(exc)
    if not infos:
        if request.problems is not None:
            request.problems.errors.extend(errors[1:])
        raise errors[0]
    return infos


def channels_of(infos: Sequence[PictureInfo], chosen: Channels) -> int:
    """The channels of a field: the user's choice, else the most that one of the pictures has (grey 1, colour 3)."""
    return chosen or max(info.channels for info in infos)


def depth_of(infos: Sequence[PictureInfo]) -> int:
    """The depth of a field: 16 bits if one of the pictures has more than 8, else 8."""
    return max(info.bits for info in infos)


def image_spec(request: DataRequest, paths: Sequence[Path], chosen: Channels) -> Image:
    """The spec of a field of pictures: the requested size, else the size of the first picture."""
    infos = look_at(paths, request)
    height, width = request.image_size or infos[0][:2]
    low, high = request.value_range
    return Image(channels_of(infos, chosen), height, width, low, high, depth_of(infos))


class Reader:
    """Reads pictures, and keeps the decoded ones as long as they fit.

    Small networks wait for the decoding of JPEG files otherwise. Nothing is dropped for something newer: with a random
    order that would lose as much as it wins. Every worker process has a cache of its own.

    Args:
        cache_mb: Limit in megabytes (10^6 bytes) of decoded pictures; 0 keeps nothing.
    """

    def __init__(self, cache_mb: int) -> None:
        self._room = cache_mb * 10**6
        self._since = time.time()  # about when the files were listed
        self._kept: dict[tuple[Path, int], Array] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy for another process starts empty: sending the pictures would take longer than decoding them."""
        room = self._room + sum(a.nbytes for a in self._kept.values())
        return {"_room": room, "_since": self._since, "_kept": {}}

    def read(self, path: Path, channels: int) -> Array:
        """A picture, H x W x channels. It may be shared and cannot be written to.

        Raises:
            DataError: It cannot be read; says so where the file is gone or was changed since the start.
        """
        found = self._kept.get((path, channels))
        if found is not None:
            return found
        try:
            picture = read_picture(path, channels=channels)
        except DataError as exc:
            self._tell_of_change(path, exc)
            raise
        picture.flags.writeable = False
        if picture.nbytes <= self._room:
            self._room -= picture.nbytes
            self._kept[path, channels] = picture
        return picture

    def _tell_of_change(self, path: Path, error: DataError) -> None:
        try:
            changed = path.lstat().st_mtime > self._since
        except OSError:
            error.what, error.fix = "the file was there at the start and is gone", "put it back, or remove its partners"
        else:
            error.what += "; the file has changed since the start" if changed else ""
