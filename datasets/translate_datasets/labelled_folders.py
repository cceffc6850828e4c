"""Pictures of classes, a folder each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from translate import marked
from translate.data import DataRequest
from translate.errors import DataError
from translate.pictures import shown
from translate_datasets.folders import Shares, find_files
from translate_datasets.independent import Independent
from translate_datasets.layouts import Layout
from translate_datasets.picture_sets import FileSet
from translate_datasets.reading import CacheSize, Channels, Reader

_UNPAIRED: Final = re.compile(r"(train|val|test)[A-Z]")


@marked(field_names=("image", "label"))
def labelled_folders(
    request: DataRequest,
    /,
    *,
    root: str,
    channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006 (never changed; a list is what YAML gives)
    cache_mb: CacheSize = 512,
) -> Independent:
    """One folder of pictures per class.

    Layouts: `root/train/CLASS`, `root/val/CLASS`, `root/test/CLASS`, or `root/CLASS`, which is split by a hash of class
    and stem. Fields: `image` and `label`, the number of the class in the sorted list of all names that occur in any
    split (the dataset's attribute `classes`).

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        channels: Channels of the pictures; found from the pictures when not given (4 only if asked for).
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        DataError: There are no class folders, one of them is empty, or they are named like splits of unpaired data.
    """
    (files,) = find_files(request, root, Layout(classes=True), shares)
    _refuse_splits(root)
    pictures = FileSet(request, files, channels, Reader(cache_mb))
    return Independent(request, {"image": pictures}, {"label": "image"})


def _refuse_splits(root: str) -> None:
    """Refuse `trainA`, `testB` ...: taken for classes, the test pictures would be trained on."""
    base = Path(root).expanduser()
    named = sorted(path.name for path in base.iterdir() if path.is_dir() and _UNPAIRED.fullmatch(path.name))
    if named:
        what = f"the folders {', '.join(named)} are splits of unpaired data, not classes"
        fix = "use data.dataset: unpaired_folders, or make folders train/CLASS and test/CLASS"
        raise DataError(what, where=shown(base), fix=fix)
