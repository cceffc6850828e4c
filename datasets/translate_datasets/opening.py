"""One set of pictures from whatever a root holds: files in MNIST's format, pictures, or folders of classes."""

from __future__ import annotations

from pathlib import Path

from translate.data import DataRequest
from translate.errors import ComponentError
from translate_datasets.folders import find_files
from translate_datasets.idx import open_idx
from translate_datasets.idx_files import holds_idx
from translate_datasets.layouts import Layout
from translate_datasets.picture_sets import FileSet, PictureSet
from translate_datasets.reading import Channels, Reader


def open_pictures(
    request: DataRequest,
    root: str,
    *,
    folder: str | None,
    channels: Channels,
    shares: list[float],
    reader: Reader,
) -> PictureSet:
    """Open the pictures of a split.

    Args:
        request: Says which split.
        root: A folder of idx files (see the dataset `idx`), or a root with pictures, or one with folders of classes.
        folder: Subfolder that holds the pictures, as A in `root/train/A` or `root/A`.
        channels: Channels of the pictures; found when not given.
        shares: Train, val and test shares for a root of pictures without split folders.
        reader: Reads the files.

    Raises:
        ComponentError: A subfolder of idx files is asked for.
        DataError: The pictures are missing or wrong.
    """
    if holds_idx(Path(root).expanduser()):
        if folder is not None:
            what = f"data.root holds idx files, which have no subfolder '{folder}'"
            raise ComponentError(what, where="data.folder", fix="leave it out")
        return open_idx(request, root, channels)
    layout = Layout(() if folder is None else (folder,), classes=None)
    (files,) = find_files(request, root, layout, shares)
    return FileSet(request, files, channels, reader)
