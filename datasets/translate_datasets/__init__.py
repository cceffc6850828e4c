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
            name="computed_source",
            target="translate_datasets.computed_source:computed_source",
            summary="Pairs of a picture and what is computed from it, such as its grey.",
        ),
        Component(
            kind="dataset",
            name="drawn",
            target="translate_datasets.drawn:drawn",
            summary="Pairs drawn by code: label maps of buildings and their rendered pictures.",
        ),
        Component(
            kind="dataset",
            name="idx",
            target="translate_datasets.idx:idx",
            summary="Pictures in MNIST's format, with their labels.",
        ),
        Component(
            kind="dataset",
            name="labelled_folders",
            target="translate_datasets.labelled_folders:labelled_folders",
            summary="One folder of pictures per class.",
        ),
        Component(
            kind="dataset",
            name="masked",
            target="translate_datasets.masked:masked",
            summary="Pictures with a hole to fill, for context encoders.",
        ),
        Component(
            kind="dataset",
            name="mixed",
            target="translate_datasets.mixed:mixed",
            summary="Two folders of pictures of which some are pairs, by stem.",
        ),
        Component(
            kind="dataset",
            name="mixture",
            target="translate_datasets.mixture:mixture",
            summary="Points of toy distributions: ring, grid, swiss roll.",
        ),
        Component(
            kind="dataset",
            name="multi_domain",
            target="translate_datasets.multi_domain:multi_domain",
            summary="Several folders of pictures without pairs: one domain each.",
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
        Component(
            kind="dataset",
            name="stacked_digits",
            target="translate_datasets.stacked_digits:stacked_digits",
            summary="Three digits as the channels of a picture: 1,000 classes.",
        ),
        Component(
            kind="dataset",
            name="transformed_pair",
            target="translate_datasets.transformed_pair:transformed_pair",
            summary="Pictures and transformed pictures without pairs, with the hidden truth.",
        ),
        Component(
            kind="dataset",
            name="unpaired_folders",
            target="translate_datasets.unpaired_folders:unpaired_folders",
            summary="Two folders of pictures without pairs.",
        ),
    ]
