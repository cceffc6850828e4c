"""Any number of domains, a folder each."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from translate.data import DataRequest
from translate.errors import ComponentError
from translate_datasets.folders import Shares, find_files
from translate_datasets.independent import Independent
from translate_datasets.layouts import Layout
from translate_datasets.picture_sets import FileSet
from translate_datasets.reading import CacheSize, Channels, Reader

Domains = Annotated[list[str], Field(min_length=2)]


def multi_domain(
    request: DataRequest,
    /,
    *,
    root: str,
    domains: Domains,
    channels: Channels = None,
    shares: Shares = [0.8, 0.1, 0.1],  # noqa: B006 (never changed; a list is what YAML gives)
    cache_mb: CacheSize = 512,
) -> Independent:
    """Several folders of pictures without pairs: one domain each.

    Layouts: `root/train/NAME` (likewise val and test), `root/trainNAME`, or `root/NAME`, which is split by a hash of
    the stems. Fields: one for each domain, under its name.

    An epoch is the longest folder. In training the pictures of the others are drawn at random, whatever their number
    and name; for validation and test all are walked in order.

    Args:
        request: What the pipeline asks for.
        root: Folder of the data.
        domains: Names of the folders, which are the names of the fields: letters, digits and underscores.
        channels: Channels of all pictures; found for each domain from its pictures when not given.
        shares: Train, val and test shares for a root without split folders.
        cache_mb: Megabytes of decoded pictures kept in memory (in each worker process).

    Raises:
        ComponentError: A domain cannot be the name of a field, or is named twice.
        DataError: A folder is missing or empty.
    """
    _check_names(domains)
    reader = Reader(cache_mb)
    found = find_files(request, root, Layout(tuple(domains), joined=True), shares)
    sets = [FileSet(request, files, channels, reader) for files in found]
    return Independent(request, dict(zip(domains, sets, strict=True)))


def _check_names(domains: Sequence[str]) -> None:
    for name in domains:
        if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
            what = f"'{name}' cannot be the name of a field, by which expressions call it"
            fix = "use letters, digits and underscores, not a digit first, and rename the folder likewise"
            raise ComponentError(what, where="data.domains", fix=fix)
        if domains.count(name) > 1:
            raise ComponentError(f"'{name}' is named twice", where="data.domains", fix="give each domain once")
