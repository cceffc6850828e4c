"""Built-in datasets: the hook that lists them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from translate import Component, hookimpl


@hookimpl
def translate_components() -> Iterable[Component]:
    """List the built-in datasets."""
    return [
        Component(
            kind="dataset",
            name="drawn",
            target="translate_datasets.drawn:drawn",
            summary="Pairs drawn by code: label maps of buildings and their rendered pictures.",
        ),
        Component(
            kind="dataset",
            name="paired_folders",
            target="translate_datasets.paired_folders:paired_folders",
            summary="Two folders of pictures; files with the same stem are a pair.",
        ),
        Component(
            kind="dataset",
            name="side_by_side",
            target="translate_datasets.side_by_side:side_by_side",
            summary="One folder of pictures that each hold a pair, left and right.",
        ),
        Component(
            kind="dataset",
            name="single_folder",
            target="translate_datasets.single_folder:single_folder",
            summary="One folder of pictures, without pairs or labels.",
        ),
    ]
