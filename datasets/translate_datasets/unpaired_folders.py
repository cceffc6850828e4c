"""Two folders of pictures that have nothing to do with one another."""

from __future__ import annotations

from translate import marked
from translate.data import DataRequest
from translate_datasets.folders import Shares, find_files
from translate_datasets.independent import Independent
from translate_datasets.layouts import Layout
from translate_datasets.paired_folders import Folders
from translate_datasets.picture_sets import FileSet
from translate_datasets.reading import CacheSize, Channels, Reader


@marked(field_names=("a", "b", "label_a", "label_b"))
def unpaired_folders(
    request: DataRequest,
    /,
    *,
    root: str,
    folders: Folders = ["A", "B"],  # noqa: B006 (never changed; a list is what YAML gives)
    labels: bool = False,
    a_channels: Channels = None,
    b_channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006
    cache_mb: CacheSize = 512,
) -> Independent:
    """Two folders of pictures without pairs, of any two sizes.

    Layouts: `root/train/A` and `root/train/B` (likewise val and test), `root/trainA` and `root/trainB` (as CycleGAN's
    data comes), or `root/A` and `root/B`, which are split by a hash of the stems. Fields: `a` and `b`, and with
    `labels` also `label_a` and `label_b`.

    An epoch is the longer folder. In training the other's pictures are drawn at random, whatever their number and name:
    files of the same name in both folders never become a pair. For validation and test both are walked in order.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        folders: Names of the two folders.
        labels: Whether each of the two holds one subfolder per class. A class has the same number in both: its place in
            the sorted list of all names.
        a_channels: Channels of the first folder; found from the pictures when not given (4 only if asked for).
        b_channels: Channels of the second folder, likewise.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        DataError: A folder is missing or empty, or there are no class folders in it.
    """
    layout = Layout(tuple(folders), joined=True, classes=labels)
    first, second = find_files(request, root, layout, shares)
    reader = Reader(cache_mb)
    sets = {"a": FileSet(request, first, a_channels, reader), "b": FileSet(request, second, b_channels, reader)}
    return Independent(request, sets, {"label_a": "a", "label_b": "b"})
