"""Pictures of classes, a folder each."""

from __future__ import annotations

from translate import marked
from translate.data import DataRequest
from translate_datasets.folders import Shares, find_files
from translate_datasets.independent import Independent
from translate_datasets.layouts import Layout
from translate_datasets.picture_sets import FileSet
from translate_datasets.reading import CacheSize, Channels, Reader


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
        DataError: There are no class folders, or one of them is empty.
    """
    (files,) = find_files(request, root, Layout(classes=True), shares)
    pictures = FileSet(request, files, channels, Reader(cache_mb))
    return Independent(request, {"image": pictures}, {"label": "image"})
